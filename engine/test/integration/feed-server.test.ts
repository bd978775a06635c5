import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createFeedClient } from '../../src/delivery/feed-client.ts';
import { FeedSubscription } from '../../src/delivery/feed-subscription.ts';
import type { FeedReply, Owner, PollOutcome } from '../../src/delivery/origin-ports.ts';
import { FeedLog } from '../../src/live/feed-log.ts';
import { type FeedServer, type LiveFeed, startFeedServer } from '../../src/live/feed-server.ts';
import { LiveWindow } from '../../src/live/live-window.ts';
import { entryOf, fragmentOf, liveAudioTrack, liveVideoTrack } from '../support/live-media.ts';

const video = liveVideoTrack();
const audio = liveAudioTrack();
const client = createFeedClient();
const unhurried = new AbortController().signal;

/** A live event as the runtime has it: its preview, one output and its window. */
class Arena implements LiveFeed {
  readonly epoch: number;
  readonly preview: FeedLog;
  readonly output: FeedLog;
  readonly window = new LiveWindow();

  constructor(epoch: number) {
    this.epoch = epoch;
    this.preview = new FeedLog(epoch);
    this.output = new FeedLog(epoch);
  }

  source(name: string): FeedLog | undefined {
    if (name === 'preview') return this.preview;
    return name === 'output!main-1' ? this.output : undefined;
  }

  fragment(folder: string, decodeTimeTicks: number): Uint8Array | undefined {
    return this.window.fragment(folder, decodeTimeTicks);
  }

  header(folder: string, formatIndex: number): Uint8Array | undefined {
    return this.window.header(folder, formatIndex);
  }

  publish(sequence: number): void {
    this.window.addFragment(fragmentOf(video, sequence));
    this.preview.appendFragment(video, entryOf(sequence));
  }
}

const problems: unknown[] = [];
const record = (event: string, fields?: object) => problems.push({ event, ...fields });
const log = { info: record, warn: record, error: record };
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
  problems.length = 0;
});

interface Served {
  readonly server: FeedServer;
  readonly owner: Owner;
  /** Replaced when another owner takes over. */
  live: Arena | undefined;
}

async function serve(refresh?: (liveEventId: string) => Promise<void>): Promise<Served> {
  const arena = new Arena(7);
  const feeds = {
    find: (name: string): LiveFeed | undefined => (name === 'arena' ? served.live : undefined),
  };
  const server = await startFeedServer({ port: 0, host: '127.0.0.1', feeds, log, refresh });
  opened.push(server);
  const owner = { epoch: 7, address: `http://127.0.0.1:${server.port}` };
  const served: Served = { server, owner, live: arena };
  return served;
}

function poll(
  { owner }: Served,
  source: string,
  asked: { after?: string; waitMs?: number } = {},
): Promise<PollOutcome> {
  const { after, waitMs = 0 } = asked;
  return client.poll(owner, { liveEventId: 'arena', source, after, waitMs }, unhurried);
}

function replyOf(outcome: PollOutcome): FeedReply {
  if (outcome.kind !== 'reply') throw new Error(outcome.kind);
  return outcome.reply;
}

async function eventually(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('did not happen in 15 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('feed server and the origin’s client', () => {
  it('gives the window first, then what comes, of the preview and of an output', async () => {
    const served = await serve();
    served.live?.publish(0);
    served.live?.output.appendTrack(audio);
    const window = replyOf(await poll(served, 'preview'));
    expect(window).toEqual({
      epoch: 7,
      cursor: expect.any(String),
      ended: false,
      lines: [
        { folder: video.folder, line: { kind: 'track', track: video } },
        { folder: video.folder, line: { kind: 'fragment', entry: entryOf(0) } },
      ],
    });
    const output = replyOf(await poll(served, 'output!main-1'));
    expect(output.lines).toEqual([{ folder: audio.folder, line: { kind: 'track', track: audio } }]);
    const waiting = poll(served, 'preview', { after: window.cursor, waitMs: 20_000 });
    setTimeout(() => served.live?.publish(1), 50);
    expect(replyOf(await waiting).lines).toEqual([
      { folder: video.folder, line: { kind: 'fragment', entry: entryOf(1) } },
    ]);
    served.live?.output.end();
    expect(replyOf(await poll(served, 'output!main-1', { after: output.cursor, waitMs: 20_000 }))).toEqual({
      ...output,
      ended: true,
      lines: [],
    });
    expect(problems).toEqual([]);
  });

  it('says what is not there, and that a cursor of another epoch is gone', async () => {
    const served = await serve();
    const { cursor } = replyOf(await poll(served, 'preview'));
    expect(await poll(served, 'output!other')).toEqual({ kind: 'notFound' });
    served.live = new Arena(8);
    expect(await poll(served, 'preview', { after: cursor, waitMs: 20_000 })).toEqual({ kind: 'restart' });
    served.live = undefined;
    expect(await poll(served, 'preview')).toEqual({ kind: 'notFound' });
  });

  it('gives the bytes of fragments and headers', async () => {
    const served = await serve();
    served.live?.publish(3);
    served.live?.window.setTrack(audio);
    const at = { folder: video.folder, decodeTimeTicks: entryOf(3).decodeTimeTicks };
    expect(await client.fragment(served.owner, 'arena', at)).toEqual(fragmentOf(video, 3).bytes);
    expect(await client.fragment(served.owner, 'arena', { ...at, decodeTimeTicks: 1 })).toBeUndefined();
    const header = await client.header(served.owner, 'arena', { folder: audio.folder, formatIndex: 0 });
    expect(header).toEqual(Uint8Array.from(served.live?.header(audio.folder, 0) ?? []));
    expect(header?.byteLength).toBeGreaterThan(500);
    const missing = { folder: audio.folder, formatIndex: 1 };
    expect(await client.header(served.owner, 'arena', missing)).toBeUndefined();
  });

  it('carries an origin over to the next owner of the live event', async () => {
    const served = await serve();
    served.live?.publish(0);
    const heard: { epoch: number; restarted: boolean; lines: number }[] = [];
    const subscription = new FeedSubscription(
      { liveEventId: 'arena', source: 'preview' },
      {
        onReply: ({ epoch, lines }, restarted) => heard.push({ epoch, restarted, lines: lines.length }),
        onNotFound: () => {},
      },
      { ownership: { find: () => Promise.resolve(served.owner) }, feed: client, log },
    );
    opened.push(subscription);
    await eventually(() => heard.length === 1);
    served.live?.publish(1);
    await eventually(() => heard.length === 2);
    const before = served.live;
    served.live = new Arena(8);
    served.live.publish(2);
    before?.preview.end();
    await eventually(() => heard.some(({ epoch }) => epoch === 8));
    expect(heard.slice(0, 2)).toEqual([
      { epoch: 7, restarted: true, lines: 2 },
      { epoch: 7, restarted: false, lines: 1 },
    ]);
    expect(heard.find(({ epoch }) => epoch === 8)).toEqual({ epoch: 8, restarted: true, lines: 2 });
  });
});

describe('feed server', () => {
  it('answers a hundred who wait for the same line', async () => {
    const served = await serve();
    const { cursor } = replyOf(await poll(served, 'preview'));
    const waiting = Array.from({ length: 100 }, () =>
      poll(served, 'preview', { after: cursor, waitMs: 20_000 }),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    served.live?.publish(0);
    const lengths = (await Promise.all(waiting)).map((outcome) => replyOf(outcome).lines.length);
    expect(lengths).toEqual(waiting.map(() => 2));
  });

  it('keeps a connection for the next request', async () => {
    const served = await serve();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    opened.push({ close: () => agent.destroy() });
    const localPorts: (number | undefined)[] = [];
    for (const path of ['/feed/arena/preview', '/feed/arena/nothing', '/feed/arena/header/video_1/0']) {
      const sent = httpRequest(`${served.owner.address}${path}`, { agent });
      const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
        sent.once('response', resolve).once('error', reject).end();
      });
      localPorts.push(response.socket.localPort);
      await text(response);
    }
    expect(new Set(localPorts).size).toBe(1);
  });

  it.each([
    { name: 'an unknown live event', path: '/feed/other/preview', status: 404, code: 'NotFound' },
    { name: 'a foreign cursor', path: '/feed/arena/preview?after=x', status: 410, code: 'CursorGone' },
    { name: 'a long wait', path: '/feed/arena/preview?waitMs=25001', status: 400, code: 'BadRequest' },
    { name: 'a long URL', path: `/feed/${'a'.repeat(4000)}`, status: 414, code: 'UriTooLong' },
    { name: 'a refresh that nobody takes', method: 'POST', path: '/live-events/arena/refresh', status: 404 },
    { name: 'another method', method: 'DELETE', path: '/feed/arena/preview', status: 405 },
    { name: 'a body', method: 'POST', body: 'x', path: '/live-events/arena/refresh', status: 413 },
  ])('refuses $name with $status', async ({ path, status, code, method = 'GET', body = null }) => {
    const served = await serve();
    const response = await fetch(`${served.owner.address}${path}`, { method, body });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({
      error: { code: code ?? expect.any(String), message: expect.any(String) },
    });
    expect(problems).toEqual([]);
  });

  it('refuses headers without end and survives garbage', async () => {
    const served = await serve();
    const answers = await Promise.all(
      [`GET / HTTP/1.1\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`, '\u0000\u0001\u0002 garbage\r\n\r\n'].map(
        async (sent) => {
          const socket = connect(served.server.port, '127.0.0.1');
          socket.on('error', () => {});
          socket.write(sent);
          return (await text(socket)).slice(0, 12);
        },
      ),
    );
    expect(answers).toEqual(['HTTP/1.1 431', 'HTTP/1.1 400']);
    expect((await poll(served, 'preview')).kind).toBe('reply');
  });

  it('hands a refresh to the live event and answers when it is done', async () => {
    const refreshed: string[] = [];
    const served = await serve(async (name) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (name === 'broken') throw new Error('no storage');
      refreshed.push(name);
    });
    const post = (name: string) =>
      fetch(`${served.owner.address}/live-events/${name}/refresh`, { method: 'POST' });
    const done = await post('arena');
    expect([done.status, refreshed]).toEqual([204, ['arena']]);
    expect(problems).toEqual([]);
    const failed = await post('broken');
    expect(await failed.json()).toEqual({ error: { code: 'InternalError', message: 'see the log' } });
    expect([failed.status, problems.length]).toEqual([500, 1]);
  });

  it('closes promptly: who waits is answered, and nobody is kept', async () => {
    const served = await serve();
    const { cursor } = replyOf(await poll(served, 'preview'));
    const waiting = poll(served, 'preview', { after: cursor, waitMs: 25_000 });
    const stuck = connect(served.server.port, '127.0.0.1');
    stuck.on('error', () => {});
    stuck.write('GET /feed/arena/preview HTTP/1.1\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const startedAtMs = performance.now();
    await served.server.close();
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    expect(replyOf(await waiting)).toMatchObject({ ended: false, lines: [] });
    await served.server.close();
    await expect(poll(served, 'preview')).rejects.toThrow();
  });

  it('forgets who left while waiting', async () => {
    let isLeft: (() => void) | undefined;
    const left = new Promise<void>((resolve) => {
      isLeft = resolve;
    });
    const served = await serve();
    const log7 = served.live?.preview;
    if (log7 === undefined) throw new Error('not live');
    const read = log7.read.bind(log7);
    Object.defineProperty(log7, 'read', {
      value: (after: string | undefined, waitMs: number, signal: AbortSignal) => {
        signal.addEventListener('abort', () => isLeft?.());
        return read(after, waitMs, signal);
      },
    });
    const { cursor } = replyOf(await poll(served, 'preview'));
    const leaving = new AbortController();
    const polled = client.poll(
      served.owner,
      { liveEventId: 'arena', source: 'preview', after: cursor, waitMs: 25_000 },
      leaving.signal,
    );
    setTimeout(() => leaving.abort(), 50);
    await expect(polled).rejects.toThrow();
    await left;
  });
});
