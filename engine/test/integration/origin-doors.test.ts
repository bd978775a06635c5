import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, GROUP } from '../support/arm-client.ts';
import { type ArmStack, startArmStack } from '../support/arm-stack.ts';
import { makeCertificate } from '../support/certificates.ts';
import type { RunningEngine } from '../support/engine-program.ts';
import { until } from '../support/programs.ts';

const AT = [GROUP, ACCOUNT] as const;
const SECRET = 'a secret between the cache and us';
const VIEWER = '203.0.113.7';

let folder: string;
let stack: ArmStack;
let origin: RunningEngine;

async function putCertificate(name: string, hosts: readonly string[]): Promise<string> {
  const { certPem, keyPem } = await makeCertificate(hosts);
  await writeFile(join(folder, `${name}.key`), keyPem);
  await writeFile(join(folder, `${name}.crt`), certPem);
  return certPem;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-doors-'));
  await putCertificate('default', ['origin.test']);
  await putCertificate('shows', ['live.shows.test', '*.cdn.shows.test']);
  await writeFile(join(folder, 'secrets'), `${SECRET}\n`);
  stack = await startArmStack();
  await stack.client.streamingEndpoints.beginStartAndWait(...AT, 'default');
  origin = await stack.program.start('origin', {
    HEADEND_STORAGE: stack.azurite.connectionString,
    HEADEND_STREAMING_TLS_PORT: '0',
    HEADEND_STREAMING_TLS_FOLDER: folder,
    HEADEND_ORIGIN_SECRET_HEADER: 'X-Origin-Secret',
    HEADEND_ORIGIN_SECRET_FILE: join(folder, 'secrets'),
    HEADEND_ORIGIN_TRUSTED_PROXIES: '127.0.0.1',
  });
}, 60_000);

afterAll(async () => {
  await stack?.close();
  await rm(folder, { recursive: true, force: true });
}, 30_000);

/** Whose certificate is shown to a client that asks for this name, or none. */
function shownTo(servername: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port: origin.ports['streamingTls'] ?? 0,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...(servername === undefined ? {} : { servername }),
    });
    socket.setTimeout(10_000, () => reject(new Error('no handshake')));
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '');
      socket.destroy();
    });
  });
}

describe('TLS of custom host names', () => {
  it.each([
    ['its own name', 'live.shows.test', 'DNS:live.shows.test, DNS:*.cdn.shows.test'],
    ['a name that a wildcard covers', 'eu.cdn.shows.test', 'DNS:live.shows.test, DNS:*.cdn.shows.test'],
    ['another name', 'elsewhere.test', 'DNS:origin.test'],
    ['no name', undefined, 'DNS:origin.test'],
  ])('shows who asks for %s the right certificate', async (_, name, expected) => {
    await expect(shownTo(name)).resolves.toBe(expected);
  });

  it('shows a new certificate without a restart, and keeps the old one while a new one cannot be read', async () => {
    await putCertificate('shows', ['live.shows.test', 'more.shows.test']);
    await until(async () => (await shownTo('more.shows.test')).includes('more'), 'the new certificate');
    await writeFile(join(folder, 'shows.crt'), 'half of a certificate');
    await until(() => origin.log().includes('origin.certificatesNotRead'), 'the complaint');
    await expect(shownTo('live.shows.test')).resolves.toContain('more.shows.test');
  }, 30_000);

  it('refuses TLS 1.1', async () => {
    const socket = connect({
      ...{ port: origin.ports['streamingTls'] ?? 0, host: '127.0.0.1', servername: 'origin.test' },
      ...{
        rejectUnauthorized: false,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      },
    });
    const outcome = new Promise((resolve) => {
      socket.once('error', () => resolve('refused')).once('secureConnect', () => resolve('connected'));
    });
    await expect(outcome).resolves.toBe('refused');
  });

  it('serves the same over HTTPS as over HTTP, to who has the secret', async () => {
    const headers = { 'x-origin-secret': SECRET, host: 'origin.test' };
    const status = (path: string, sent: Readonly<Record<string, string>>) =>
      new Promise((resolve, reject) => {
        const options = { headers: sent, rejectUnauthorized: false, servername: 'origin.test' };
        const url = `https://127.0.0.1:${origin.ports['streamingTls']}${path}`;
        get(url, options, (answer) => {
          answer.resume();
          resolve([answer.statusCode, answer.headers['x-ms-mpe-error']]);
        }).on('error', reject);
      });
    await expect(status('/time', headers)).resolves.toEqual([200, undefined]);
    await expect(status('/time', { host: 'origin.test' })).resolves.toEqual([403, 'ORIGIN_ACCESS_DENIED']);
  });
});

describe('viewers behind trusted proxies', () => {
  let url: string;

  beforeAll(async () => {
    const { client } = stack;
    await client.assets.createOrUpdate(...AT, 'empty', {});
    const locator = await client.streamingLocators.create(...AT, 'empty', {
      assetName: 'empty',
      streamingPolicyName: 'Predefined_ClearStreamingOnly',
    });
    await client.streamingEndpoints.beginUpdateAndWait(...AT, 'default', {
      location: 'local',
      scaleUnits: 0,
      accessControl: { ip: { allow: [{ name: 'viewer', address: VIEWER }] } },
    });
    url = `http://127.0.0.1:${origin.ports['streaming']}/${locator.streamingLocatorId}/show.ism/manifest`;
    await until(async () => (await statusFor({})) === 403, 'the allow list');
  }, 60_000);

  const statusFor = async (forwarded: Readonly<Record<string, string>>): Promise<number> =>
    (await fetch(url, { headers: { 'x-origin-secret': SECRET, ...forwarded } })).status;

  // 404: let in, and nothing is recorded there.
  it.each([
    ['of an allowed viewer', VIEWER, 404],
    ['of another one', '203.0.113.8', 403],
    ['of one who says to be another', `${VIEWER}, 203.0.113.8`, 403],
    ['through a second trusted proxy', `${VIEWER}, 127.0.0.1`, 404],
    ['of what is no address', 'localhost', 403],
  ])('are known by the address that the proxy tells: %s', async (_, forwarded, expected) => {
    await expect(statusFor({ 'x-forwarded-for': forwarded })).resolves.toBe(expected);
  });
});
