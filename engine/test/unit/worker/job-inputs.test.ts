import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chooseFiles } from '../../../src/worker/choose-files.ts';
import { isPublicAddress, pinAddress } from '../../../src/worker/http-address.ts';
import { downloadHttp } from '../../../src/worker/http-download.ts';
import { JobFailure } from '../../../src/worker/job-errors.ts';

let folder: string;
let servers: Server[] = [];
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-inputs-'));
});

afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(folder, { recursive: true, force: true });
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers = [...servers, server];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

const newFile = (): string => {
  files += 1;
  return join(folder, String(files));
};

const SIGNAL = new AbortController().signal;
const OPTIONS = {
  signal: SIGNAL,
  allowPrivate: true,
  sizeBytesMax: 2 ** 30,
  timing: { answerMs: 500, silenceMs: 500, pauseMs: 10 },
};

/** The code of the job error that it ends with, or `done`. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (error instanceof JobFailure) return error.error.code;
    throw error;
  }
}

describe('addresses that inputs may come from', () => {
  it.each([
    ['93.184.216.34', true],
    ['2606:2800:220:1:248:1893:25c8:1946', true],
    ['127.0.0.1', false],
    ['127.255.255.254', false],
    ['0.0.0.0', false],
    ['10.1.2.3', false],
    ['172.16.0.1', false],
    ['172.31.255.255', false],
    ['172.32.0.1', true],
    ['192.168.0.1', false],
    ['169.254.169.254', false],
    ['100.64.0.1', false],
    ['192.0.0.8', false],
    ['192.0.2.1', false],
    ['198.18.0.1', false],
    ['224.0.0.1', false],
    ['240.0.0.1', false],
    ['255.255.255.255', false],
    ['::', false],
    ['::1', false],
    ['fe80::1', false],
    ['fc00::1', false],
    ['fd12:3456::1', false],
    ['ff02::1', false],
    ['::ffff:127.0.0.1', false],
    ['::ffff:169.254.169.254', false],
    ['::ffff:7f00:1', false],
    ['64:ff9b::7f00:1', false],
    ['2002:7f00:1::', false],
    ['2001::1', false],
    ['2001:db8::1', false],
    ['localhost', false],
    ['', false],
  ])('%s: %s', (address, expected) => {
    expect(isPublicAddress(address)).toBe(expected);
  });

  it.each([
    { name: 'one that is private among public ones', found: ['93.184.216.34', '10.0.0.1'] },
    { name: 'a private one', found: ['192.168.1.1'] },
    { name: 'none at all', found: [] },
  ])('a name with $name is refused', async ({ found }) => {
    const lookup = async () => found.map((address) => ({ address, family: 4 }));
    expect(await outcome(pinAddress('some.example', { allowPrivate: false, lookup }))).toBe(
      'DownloadNotAccessible',
    );
  });

  it('a name is looked up once, and what was found is what is used', async () => {
    let lookups = 0;
    const lookup = async () => {
      lookups += 1;
      return [{ address: lookups === 1 ? '93.184.216.34' : '127.0.0.1', family: 4 }];
    };
    expect(await pinAddress('some.example', { allowPrivate: false, lookup })).toEqual({
      address: '93.184.216.34',
      family: 4,
    });
    expect(lookups).toBe(1);
  });

  it.each([
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://localhost/',
  ])('%s is refused without a connection', async (url) => {
    expect(await outcome(downloadHttp(url, newFile(), { ...OPTIONS, allowPrivate: false }))).toBe(
      'DownloadNotAccessible',
    );
  });
});

describe('a file over HTTP', () => {
  const media = randomBytes(3_000_000);
  const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

  it('is fetched whole, through redirections', async () => {
    const seen: unknown[] = [];
    const origin = await serve((request, response) => {
      seen.push(request.headers.authorization, request.headers.cookie);
      if (request.url === '/a') response.writeHead(302, { location: '/b' }).end();
      else response.writeHead(200, { 'content-length': media.byteLength }).end(media);
    });
    const path = newFile();
    let bytes = 0;
    await downloadHttp(`${origin}/a`, path, {
      ...OPTIONS,
      onProgress: (count) => {
        bytes = count;
      },
    });
    expect([sha(await readFile(path)), bytes]).toEqual([sha(media), media.byteLength]);
    expect(seen.every((header) => header === undefined)).toBe(true);
  });

  it('goes on where the connection broke', async () => {
    const asked: (string | undefined)[] = [];
    const origin = await serve((request, response) => {
      asked.push(request.headers.range);
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, {
        etag: '"1"',
        'content-length': media.byteLength - from,
      });
      response.write(media.subarray(from, from + 1_300_000), () => {
        if (from + 1_300_000 >= media.byteLength) response.end();
        else setTimeout(() => response.destroy(), 50);
      });
    });
    const path = newFile();
    await downloadHttp(`${origin}/`, path, OPTIONS);
    expect(sha(await readFile(path))).toBe(sha(media));
    expect(asked).toHaveLength(3);
  });

  it('begins anew when the file has changed or there are no ranges', async () => {
    let calls = 0;
    const origin = await serve((_request, response) => {
      calls += 1;
      response.writeHead(200, { 'content-length': media.byteLength });
      if (calls > 1) response.end(media);
      else response.write(media.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50));
    });
    const path = newFile();
    await downloadHttp(`${origin}/`, path, OPTIONS);
    expect([sha(await readFile(path)), calls]).toEqual([sha(media), 2]);
  });

  const PRIVATE_REDIRECT = 'a redirection to an address of another scheme';
  it.each<{ name: string; listener: RequestListener; expected: string }>([
    {
      name: '404',
      listener: (_, response) => response.writeHead(404).end(),
      expected: 'DownloadNotAccessible',
    },
    {
      name: '403',
      listener: (_, response) => response.writeHead(403).end(),
      expected: 'DownloadNotAccessible',
    },
    {
      name: '500',
      listener: (_, response) => response.writeHead(500).end(),
      expected: 'DownloadTransientError',
    },
    {
      name: '503',
      listener: (_, response) => response.writeHead(503).end(),
      expected: 'DownloadTransientError',
    },
    { name: 'silence', listener: () => undefined, expected: 'DownloadTransientError' },
    {
      name: 'silence in the middle',
      listener: (_, response) => response.writeHead(200, { 'content-length': 10 }).write('abc'),
      expected: 'DownloadTransientError',
    },
    {
      name: 'redirections without an end',
      listener: (_, response) => response.writeHead(302, { location: '/' }).end(),
      expected: 'DownloadNotAccessible',
    },
    {
      name: PRIVATE_REDIRECT,
      listener: (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      expected: 'DownloadNotAccessible',
    },
    {
      name: 'a size beyond the limit',
      listener: (_, response) => response.writeHead(200, { 'content-length': 2_000_000 }).end(),
      expected: 'ContentUnsupported',
    },
    {
      name: 'more than it said, and beyond the limit',
      listener: (_, response) => response.writeHead(200).end(Buffer.alloc(2_000_000)),
      expected: 'ContentUnsupported',
    },
  ])('ends with $expected at $name', async ({ listener, expected }) => {
    const origin = await serve(listener);
    const work = downloadHttp(`${origin}/`, newFile(), { ...OPTIONS, sizeBytesMax: 1_000_000 });
    expect(await outcome(work)).toBe(expected);
  });

  it('an address with a password is refused', async () => {
    const work = downloadHttp('https://user:secret@some.example/a', newFile(), OPTIONS);
    expect(await outcome(work)).toBe('DownloadNotAccessible');
  });

  it('is left at once when the job is canceled', async () => {
    const origin = await serve((_, response) => response.writeHead(200).write('abc'));
    const controller = new AbortController();
    const work = downloadHttp(`${origin}/`, newFile(), {
      ...OPTIONS,
      signal: controller.signal,
      timing: { silenceMs: 30_000 },
    });
    setTimeout(() => controller.abort(new Error('canceled')), 50);
    await expect(work).rejects.toThrow('canceled');
  });
});

describe('which files of an asset are meant', () => {
  const listed = (...names: string[]) => names.map((name, index) => ({ name, sizeBytes: 10 + index }));

  it.each([
    { name: 'the only one', named: [], there: ['a.mp4'], expected: ['a.mp4'] },
    { name: 'the largest', named: [], there: ['b.mov', 'a.mp4', 'notes.txt'], expected: ['a.mp4'] },
    { name: 'those that are named', named: ['b.mov'], there: ['b.mov', 'a.mp4'], expected: ['b.mov'] },
    {
      name: 'all that a manifest stands beside',
      named: [],
      there: ['a_1.mp4', 'a_2.mp4', 'a.ism', 'a.ismc', 'poster.jpg'],
      expected: ['a_1.mp4', 'a_2.mp4'],
    },
    {
      name: 'what is no media, when there is nothing else',
      named: [],
      there: ['a.jpg'],
      expected: ['a.jpg'],
    },
  ])('$name', ({ named, there, expected }) => {
    expect(chooseFiles(named, listed(...there))).toEqual({ kind: 'files', names: expected });
  });

  it('a live archive is its fragments', () => {
    expect(chooseFiles([], listed('show.ism', 'show.ismc'))).toEqual({
      kind: 'recording',
      manifestName: 'show',
    });
  });

  it('so is a live event that is recorded now', () => {
    expect(chooseFiles([], [], ['show.headend', 'video_1000'])).toEqual({
      kind: 'recording',
      manifestName: 'show',
    });
  });

  it('nothing is an error', () => {
    expect(() => chooseFiles([], [])).toThrow(JobFailure);
  });
});
