import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer, get as httpsGet } from 'node:https';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { seedCertificates } from '../../src/certificates.ts';
import { openDataFolder } from '../../src/data-folder.ts';
import { missingFFmpeg } from '../../src/encoding-tools.ts';
import { PORT_NAMES, type Ports } from '../../src/flags.ts';
import { LogFile } from '../../src/log-file.ts';
import { startPageServer } from '../../src/page.ts';
import { checkPorts } from '../../src/port-check.ts';
import { seedMasterKeys, seedSecrets } from '../../src/secrets.ts';

const DAY_MS = 86_400_000;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-seed-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function portOf(server: { address(): unknown }): number {
  return Number(Reflect.get(Object(server.address()), 'port'));
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

describe('secrets', () => {
  it('are made once, for their owner only', async () => {
    const file = join(folder, 'secrets.json');
    const first = await seedSecrets(file);
    expect(new Set(Object.values(first)).size).toBe(5);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await seedSecrets(file)).toEqual(first);
  });

  it('keep the master keys of the engine, which nothing replaces', async () => {
    const file = join(folder, 'data', 'master-keys');
    await seedMasterKeys(file);
    const made = await readFile(file, 'utf8');
    expect(Buffer.from(made, 'base64')).toHaveLength(32);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await seedMasterKeys(file);
    expect(await readFile(file, 'utf8')).toBe(made);
    await writeFile(file, 'damaged');
    await seedMasterKeys(file);
    expect(await readFile(file, 'utf8')).toBe('damaged');
  });

  it('keep what is good when one is missing or the file is cut short', async () => {
    const file = join(folder, 'secrets.json');
    const first = await seedSecrets(file);
    await writeFile(file, JSON.stringify({ ...first, eventGridKey: 'short' }));
    const mended = await seedSecrets(file);
    expect(mended).toEqual({ ...first, eventGridKey: mended.eventGridKey });
    expect(mended.eventGridKey.length).toBeGreaterThanOrEqual(32);
    await writeFile(file, '{"functionKey":');
    expect((await seedSecrets(file)).functionKey.length).toBeGreaterThanOrEqual(32);
  });
});

describe('certificates', () => {
  it.each(['127.0.0.1', 'localhost'])(
    'are accepted for %s by a client that trusts the bundle',
    async (host) => {
      const files = await seedCertificates(folder, { nowMs: Date.now() });
      const server = createHttpsServer(
        { cert: await readFile(files.certFile), key: await readFile(files.keyFile) },
        (_request, response) => response.end('hello'),
      );
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const request = (ca: string | undefined) =>
        new Promise<number | string | undefined>((resolve) => {
          httpsGet(
            { host, port: portOf(server), family: 4, agent: false, ...(ca === undefined ? {} : { ca }) },
            (response) => resolve(response.resume().statusCode),
          ).once('error', (error) => resolve(String(Reflect.get(error, 'code'))));
        });
      expect(await request(await readFile(files.caBundleFile, 'utf8'))).toBe(200);
      expect(await request(undefined)).toBe('SELF_SIGNED_CERT_IN_CHAIN');
      await close(server);
    },
  );

  it('are kept until a month before they end, then made anew', async () => {
    const read = async (nowMs: number) =>
      await readFile((await seedCertificates(folder, { nowMs })).certFile, 'utf8');
    const first = await read(Date.now());
    expect(await read(Date.now() + 366 * DAY_MS)).toBe(first);
    expect(await read(Date.now() + 368 * DAY_MS)).not.toBe(first);
  });

  it('are made anew when a file is damaged', async () => {
    const files = await seedCertificates(folder, { nowMs: Date.now() });
    const first = await readFile(files.caFile, 'utf8');
    await writeFile(files.certFile, 'damaged');
    await seedCertificates(folder, { nowMs: Date.now() });
    expect(await readFile(files.caFile, 'utf8')).not.toBe(first);
  });

  it('are added to what the user trusts already', async () => {
    const extraCaFile = join(folder, 'theirs.pem');
    await writeFile(extraCaFile, 'THEIRS');
    const files = await seedCertificates(join(folder, 'tls'), { nowMs: Date.now(), extraCaFile });
    const bundle = await readFile(files.caBundleFile, 'utf8');
    expect(bundle).toBe(`THEIRS\n${await readFile(files.caFile, 'utf8')}\n`);
    await seedCertificates(join(folder, 'tls'), { nowMs: Date.now(), extraCaFile: files.caBundleFile });
    expect(await readFile(files.caBundleFile, 'utf8')).toBe(`${await readFile(files.caFile, 'utf8')}\n`);
  });
});

describe('the data folder', () => {
  it('belongs to one process at a time', async () => {
    const data = join(folder, 'data');
    // A lock of a process that is alive and is not this one: the parent.
    await (await expectOpen(data)).close();
    await writeFile(join(data, 'lock.json'), JSON.stringify({ pid: process.ppid, startedAtMs: Date.now() }));
    expect(await openDataFolder(data)).toEqual({ kind: 'inUse', pid: process.ppid });
  });

  it.each([
    { name: 'whose process is gone', lock: { pid: 2 ** 22 + 1, startedAtMs: Date.now() } },
    { name: 'from before the machine started', lock: { pid: process.ppid, startedAtMs: 0 } },
    { name: 'that is damaged', lock: 'x' },
  ])('ignores a lock $name', async ({ lock }) => {
    const data = join(folder, 'data');
    await (await expectOpen(data)).close();
    await writeFile(join(data, 'lock.json'), JSON.stringify(lock));
    await (await expectOpen(data)).close();
  });

  it('is emptied by clear, and nothing else is', async () => {
    await writeFile(join(folder, 'neighbour'), 'stays');
    const data = await expectOpen(join(folder, 'data'));
    await mkdir(data.file('azurite'));
    await data.clear();
    expect(await openDataFolder(join(folder, 'data'))).toMatchObject({ kind: 'open' });
    await expect(stat(data.file('azurite'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readFile(join(folder, 'neighbour'), 'utf8')).toBe('stays');
  });

  it('is refused when it holds something of somebody else', async () => {
    await writeFile(join(folder, 'thesis.txt'), 'years of work');
    expect(await openDataFolder(folder)).toEqual({ kind: 'foreign' });
  });

  async function expectOpen(data: string) {
    const opened = await openDataFolder(data);
    if (opened.kind !== 'open') throw new Error(`the folder is ${opened.kind}`);
    return opened.folder;
  }
});

describe('the port check', () => {
  const zeros: Ports = {
    functions: 0,
    page: 0,
    streaming: 0,
    keys: 0,
    rtmp: 0,
    rtmpBackup: 0,
    rtmps: 0,
    rtmpsBackup: 0,
    smooth: 0,
    arm: 0,
    identity: 0,
    feed: 0,
    broker: 0,
    blob: 0,
    queue: 0,
    table: 0,
    blobDirect: 0,
  };

  it('turns every 0 into a free port of its own', async () => {
    const check = await checkPorts(zeros);
    if (check.kind !== 'free') throw new Error(check.problems.join());
    const ports = Object.values(check.ports);
    expect(new Set(ports).size).toBe(PORT_NAMES.length);
    expect(Math.min(...ports)).toBeGreaterThan(0);
    expect(await checkPorts(check.ports)).toEqual({ kind: 'free', ports: check.ports });
  });

  it('names every port that is taken, with its flag', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const port = portOf(holder);
    expect(await checkPorts({ ...zeros, rtmp: port })).toEqual({
      kind: 'taken',
      problems: [
        `Port ${port} (RTMP from encoders) is taken by another program; choose another with --rtmp-port <n>.`,
      ],
    });
    await close(holder);
  });
});

describe('a log file', () => {
  it('keeps the newest lines within its bound', async () => {
    const file = join(folder, 'logs', 'engine.log');
    const log = new LogFile(file, 1000);
    for (let line = 0; line < 500; line += 1) log.writeLine(`line ${line}`);
    await log.close();
    const kept = `${await readFile(`${file}.1`, 'utf8')}${await readFile(file, 'utf8')}`;
    expect(kept.length).toBeLessThanOrEqual(2000);
    expect(kept.trimEnd().split('\n').at(-1)).toBe('line 499');
  });
});

describe('the page server', () => {
  let server: Server;
  let base: string;

  beforeEach(async () => {
    const dist = join(folder, 'dist');
    await mkdir(dist);
    await writeFile(join(folder, 'secrets.json'), 'SECRET');
    await writeFile(join(dist, 'index.html'), '<p>page</p>');
    await writeFile(join(dist, 'page.js'), 'code');
    await writeFile(join(dist, '.build-stamp-web'), 'stamp');
    server = await startPageServer({
      port: 0,
      folder: dist,
      apiBase: 'http://127.0.0.1:7071/api/v1',
      streamingBase: 'http://127.0.0.1:8888',
      keysBase: 'http://127.0.0.1:8887/headend',
      uploadBase: 'http://127.0.0.1:10000',
    });
    base = `http://127.0.0.1:${portOf(server)}`;
  });

  afterEach(async () => {
    await close(server);
  });

  it('serves the page under a policy that lets it talk to the API, the origin, key delivery and the storage only', async () => {
    const response = await fetch(base);
    expect(await response.text()).toBe('<p>page</p>');
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain(
      "connect-src 'self' http://127.0.0.1:7071 http://127.0.0.1:8888 http://127.0.0.1:8887 http://127.0.0.1:10000;",
    );
    expect(await (await fetch(`${base}/config.json`)).json()).toEqual({
      apiBase: 'http://127.0.0.1:7071/api/v1',
    });
  });

  it.each([
    '/../secrets.json',
    '/..%2fsecrets.json',
    '/%2e%2e/secrets.json',
    '/..\\secrets.json',
    '//etc/passwd',
    '/./page.js',
    '/.build-stamp-web',
    '/dist/../page.js',
    '/page.js%00.html',
    '/secrets.json',
    '/constructor',
    `/${'a'.repeat(5000)}.js`,
  ])('answers 404 to %.40s as it stands on the wire', async (target) => {
    // fetch would tidy the path up before sending it.
    const socket = connect(portOf(server), '127.0.0.1');
    socket.end(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) text += String(chunk);
    expect(text.split('\r\n', 1)[0]).toBe('HTTP/1.1 404 Not Found');
    expect(text).not.toContain('SECRET');
  });

  it('answers 405 to what is neither GET nor HEAD', async () => {
    expect((await fetch(base, { method: 'POST' })).status).toBe(405);
    const head = await fetch(`${base}/page.js`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '4', '']);
  });
});

describe('FFmpeg on a laptop', () => {
  const look = (more: Partial<Parameters<typeof missingFFmpeg>[0]> = {}) =>
    missingFFmpeg({ searchPath: `/nowhere:${folder}`, ffmpeg: undefined, platform: 'linux', ...more });
  const install = (name: string, mode = 0o700) => writeFile(join(folder, name), '#!/bin/sh', { mode });

  it('is missed in one line that says what to type, until it is there', async () => {
    expect(await look()).toBe(
      'ffmpeg and ffprobe not found: files cannot be encoded; live works without. Install: sudo apt install ffmpeg',
    );
    expect(await look({ platform: 'darwin' })).toMatch(/Install: brew install ffmpeg$/);
    await install('ffmpeg');
    await install('ffprobe', 0o600);
    expect(await look()).toMatch(/^ffprobe not found/);
    await chmod(join(folder, 'ffprobe'), 0o700);
    expect(await look()).toBeUndefined();
    expect(await look({ searchPath: '', ffmpeg: join(folder, 'ffmpeg') })).toBeUndefined();
    expect(await look({ ffmpeg: '/nowhere/ffmpeg' })).toMatch(/^HEADEND_FFMPEG is .* no program/);
  });
});
