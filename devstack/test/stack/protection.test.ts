import { createDecipheriv } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeCountedVideo } from '../support/counted-video.ts';
import { rtmpUrl } from '../support/headend-api.ts';
import { untilSegments } from '../support/playlist.ts';
import { type ShowEncoder, startReconnectingEncoder } from '../support/show.ts';
import { type Stack, startStack } from '../support/stack.ts';

const CHANNEL = '/channels/arena';
const FINAL = `${CHANNEL}/programs/final`;
const OTHER = `${CHANNEL}/programs/other`;
/** Key delivery promises a change of a policy within 15 s; this machine may be busy. */
const CHANGED_WITHIN_MS = 30_000;
/** Within seconds, with room for a busy machine. */
const CLOSED_WITHIN_MS = 10_000;
const PACKET_BYTES = 188;
const SYNC_BYTE = 0x47;

let folder: string;
let stack: Stack;
let encoder: ShowEncoder | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-protection-'));
  const picture = { width: 320, height: 180, bitrateKbps: 300, gopSeconds: 2 };
  await makeCountedVideo({ file: join(folder, 'show.flv'), seconds: 8, ...picture });
  stack = await startStack();
}, 120_000);

afterAll(async () => {
  await encoder?.stop();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

interface Encrypted {
  readonly hls: string;
  readonly keyUrl: string;
  readonly iv: Buffer;
  readonly segment: string;
}

/** The newest segment of a program with the key that its playlist names. */
async function readEncrypted(path: string): Promise<Encrypted> {
  const { playback } = await stack.api.expect(200, 'GET', path);
  return readPlaylist(playback.hls);
}

async function readPlaylist(hls: string): Promise<Encrypted> {
  await untilSegments(hls, 2);
  const multivariant = await (await fetch(hls)).text();
  const child = new URL(/^[^#\s].*$/m.exec(multivariant)?.[0] ?? '', hls);
  const playlist = await (await fetch(child)).text();
  const lines = playlist.split('\n');
  const at = lines.findLastIndex((line) => /^[^#\s]/.test(line));
  const key = lines.slice(0, at).findLast((line) => line.startsWith('#EXT-X-KEY:')) ?? playlist;
  expect(key).toMatch(/METHOD=AES-128,/);
  return {
    hls,
    keyUrl: /URI="([^"]+)"/.exec(key)?.[1] ?? '',
    iv: Buffer.from(/IV=0x([0-9a-f]{32})/i.exec(key)?.[1] ?? '', 'hex'),
    segment: new URL(lines[at] ?? '', child).href,
  };
}

async function askForKey(keyUrl: string, token?: string): Promise<{ status: number; key: Buffer }> {
  const answer = await fetch(
    keyUrl,
    token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
  );
  return { status: answer.status, key: Buffer.from(await answer.arrayBuffer()) };
}

const tokenOf = async (path: string): Promise<string> =>
  (await stack.api.expect(200, 'POST', '/playback-tokens', { program: `/api/v1${path}` })).token;

async function becomes(withinMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`it is not so after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

describe('a protected show', () => {
  it('is on air encrypted by events alone, and plays for who has a token of it', async () => {
    const { api } = stack;
    await api.expect(201, 'PUT', '/protection-profiles/rental', { delivery: { hls: 'aes128' } });
    await api.expect(201, 'PUT', CHANNEL, {});
    await api.expect(201, 'PUT', FINAL, { protection: 'aes' });
    await api.expect(201, 'PUT', OTHER, { protection: 'rental' });
    await api.expect(200, 'POST', `${CHANNEL}/start`);
    const ready = await api.until(FINAL, ({ conditions }) =>
      ['KeyPolicyReady', 'DeliveryPolicyReady'].every((type) =>
        conditions.some((one: { type: string; status: boolean }) => one.type === type && one.status),
      ),
    );
    expect(ready.playback.status).toBe('waiting');
    const stream = await api.expect(200, 'GET', `${CHANNEL}/stream-key`);
    encoder = startReconnectingEncoder(`${rtmpUrl(stream)}/main`, join(folder, 'show.flv'));
    for (const path of [FINAL, OTHER]) await api.until(path, ({ playback }) => playback.status === 'live');

    const { keyUrl, iv, segment } = await readEncrypted(FINAL);
    const refused = await Promise.all([
      askForKey(keyUrl),
      askForKey(keyUrl, 'x.y.z'),
      askForKey(keyUrl, await tokenOf(OTHER)),
    ]);
    expect(refused.map(({ status }) => status).every((status) => status === 401 || status === 403)).toBe(
      true,
    );
    const { status, key } = await askForKey(keyUrl, await tokenOf(FINAL));
    expect([status, key.length]).toEqual([200, 16]);

    const encrypted = Buffer.from(await (await fetch(segment)).arrayBuffer());
    const cipher = createDecipheriv('aes-128-cbc', key, iv);
    const packets = Buffer.concat([cipher.update(encrypted), cipher.final()]);
    const starts = Array.from(
      { length: packets.length / PACKET_BYTES },
      (_, at) => packets[at * PACKET_BYTES],
    );
    expect(starts.length).toBeGreaterThan(10);
    expect(new Set(starts)).toEqual(new Set([SYNC_BYTE]));
    expect(new Set(encrypted.filter((_, at) => at % PACKET_BYTES === 0)).size).toBeGreaterThan(1);
    // Without the tag it is refused, or encrypted all the same where there is one encryption only (reference §3.1).
    const { hls } = ready.playback;
    expect((await fetch(hls.replace('format=m3u8-aapl,encryption=cbc', 'format=m3u8-cmaf'))).status).toBe(
      400,
    );
    expect((await readPlaylist(hls.replace(',encryption=cbc', ''))).keyUrl).toBe(keyUrl);
  }, 90_000);

  it('gets a changed key half on air', async () => {
    const { keyUrl } = await readEncrypted(OTHER);
    expect((await askForKey(keyUrl)).status).toBeGreaterThanOrEqual(400);
    const profile = { keys: { access: 'open' }, delivery: { hls: 'aes128' } };
    await stack.api.expect(200, 'PUT', '/protection-profiles/rental', profile);
    await becomes(CHANGED_WITHIN_MS, async () => (await askForKey(keyUrl)).status === 200);
    expect((await readEncrypted(OTHER)).keyUrl).toBe(keyUrl);
  }, 60_000);

  it('is closed within seconds when it is unpublished: neither media nor keys', async () => {
    const { hls, keyUrl, segment } = await readEncrypted(FINAL);
    const token = await tokenOf(FINAL);
    expect((await askForKey(keyUrl, token)).status).toBe(200);
    await stack.api.expect(200, 'POST', `${FINAL}/unpublish`);
    await becomes(CLOSED_WITHIN_MS, async () => {
      const answers = await Promise.all([fetch(hls), fetch(segment), askForKey(keyUrl, token)]);
      return answers.every(({ status }) => status >= 400 && status < 500);
    });
    expect((await fetch((await readEncrypted(OTHER)).segment)).status).toBe(200);
  }, 60_000);
});
