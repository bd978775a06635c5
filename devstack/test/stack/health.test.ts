import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { editStream, makeStream, publish, push, type Sender } from '../support/bad-streams.ts';
import type { ApiBody } from '../support/headend-api.ts';
import { type Stack, startStack } from '../support/stack.ts';

const PARALLEL_MAX = 7;
const SEEN_WITHIN_MS = 75_000;
const POLL_MS = 500;

let stack: Stack;
let folder: string;
/** What the encoders send, by name. */
let files: Readonly<Record<'good' | keyof typeof EDITS | keyof typeof RECIPES, string>>;

const RECIPES = {
  silent: { audio: false },
  blind: { video: false },
  oldCodec: { codec: 'flv1' },
  sixSeconds: { keyFrameEvery: 90, seconds: 36 },
  otherKeyFrames: { keyFrameEvery: 22, bitrate: '300k', audio: false },
  larger: { size: '4160x2176', rate: 2, seconds: 4 },
  faster: { rate: 120, seconds: 10 },
  sixMegabits: { bitrate: '6M', noise: true, size: '640x360', seconds: 5 },
  promisesMore: { bitrate: '4M', seconds: 10 },
  secondBitrate: { bitrate: '300k', audio: false },
} as const;

/** From the good file, tag by tag. */
const EDITS = {
  goesBack: ({ kind, atMs }) => (kind === 'video' && atMs % 3000 < 200 ? Math.max(0, atMs - 1000) : atMs),
  gaps: ({ atMs }) => atMs + Math.floor(atMs / 8000) * 4000,
  drifting: ({ kind, atMs }) => (kind === 'video' ? atMs + 5000 : atMs),
  noKeyFrames: ({ isKeyFrame, atMs }) => (isKeyFrame ? undefined : atMs),
} as const satisfies Record<string, Parameters<typeof editStream>[2]>;

interface Show {
  readonly channel: string;
  readonly key: string;
  /** With the key and a stream name. */
  readonly primary: string;
  readonly backup: string;
  send(sender: Sender): Sender;
}

interface Row {
  readonly code: string;
  readonly level: 'error' | 'warning' | 'info';
  readonly body?: object;
  readonly records?: true;
  /** Sends what is bad; called again while nothing is told, when it says so. */
  readonly send: (show: Show) => unknown;
  readonly again?: true;
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

const ROWS: Readonly<Record<string, Row>> = {
  'a key that was rotated away': {
    code: 'WRONG_STREAM_KEY',
    level: 'error',
    again: true,
    async send({ channel, primary, send }) {
      await stack.api.expect(200, 'POST', `/channels/${channel}/stream-key/rotate`, { overlap: 'PT1S' });
      await seconds(1.5);
      await send(push(files.good, primary)).ended;
    },
  },
  'an address that is not allowed': {
    code: 'ENCODER_ADDRESS_NOT_ALLOWED',
    level: 'error',
    body: { allowFrom: ['203.0.113.0/24', '2001:db8::/32'] },
    send: ({ primary, send }) => send(push(files.good, primary)),
  },
  'a malformed address': {
    code: 'WRONG_INGEST_ADDRESS',
    level: 'error',
    send: ({ primary, send }) => send(push(files.good, `${primary}/and/more`)),
  },
  'a codec of long ago': {
    code: 'CODEC_NOT_SUPPORTED',
    level: 'error',
    send: ({ primary, send }) => send(push(files.oldCodec, primary)),
  },
  'a picture that is too large': {
    code: 'RESOLUTION_NOT_SUPPORTED',
    level: 'error',
    send: ({ primary, send }) => send(push(files.larger, primary)),
  },
  'too many frames': {
    code: 'FRAME_RATE_TOO_HIGH',
    level: 'error',
    send: ({ primary, send }) => send(push(files.faster, primary)),
  },
  'more bits than a basic channel takes': {
    code: 'BITRATE_TOO_HIGH',
    level: 'error',
    body: { encoding: 'passthroughBasic' },
    send: ({ primary, send }) => send(push(files.sixMegabits, primary)),
  },
  'no key frames': {
    code: 'NO_KEYFRAMES',
    level: 'error',
    // As fast as it goes: the service waits for tens of megabytes before it gives up.
    send: ({ primary, send }) =>
      send(push(files.noKeyFrames, primary, { before: [], after: ['-copyinkf', '-an'] })),
  },
  'an encoder that falls silent': {
    code: 'ENCODER_IDLE',
    level: 'warning',
    async send({ primary, send }) {
      const sender = send(push(files.good, primary));
      await seconds(4);
      sender.signal('SIGSTOP');
    },
  },
  'no picture': {
    code: 'NO_VIDEO',
    level: 'warning',
    send: ({ primary, send }) => send(push(files.blind, primary)),
  },
  'no sound': {
    code: 'NO_AUDIO',
    level: 'warning',
    send: ({ primary, send }) => send(push(files.silent, primary)),
  },
  'key frames six seconds apart': {
    code: 'KEYFRAMES_TOO_FAR_APART',
    level: 'warning',
    send: ({ primary, send }) => send(push(files.sixSeconds, primary)),
  },
  'far less than announced': {
    code: 'BITRATE_UNSTEADY',
    level: 'warning',
    send: ({ primary, send }) => send(push(files.promisesMore, primary)),
  },
  'timestamps that go back': {
    code: 'TIMESTAMPS_GO_BACK',
    level: 'warning',
    send: ({ primary, send }) => send(publish(files.goesBack, primary)),
  },
  'holes in the time': {
    code: 'GAPS_IN_INPUT',
    level: 'warning',
    send: ({ primary, send }) => send(publish(files.gaps, primary)),
  },
  'sound behind the picture': {
    code: 'TRACKS_OUT_OF_SYNC',
    level: 'warning',
    send: ({ primary, send }) => send(publish(files.drifting, primary)),
  },
  'bitrates with other key frames': {
    code: 'KEYFRAMES_NOT_ALIGNED',
    level: 'warning',
    send({ primary, send }) {
      send(push(files.good, primary));
      send(push(files.otherKeyFrames, `${primary}2`));
    },
  },
  'an upload that is too slow': {
    code: 'UPLOAD_TOO_SLOW',
    level: 'warning',
    send: ({ primary, send }) => send(push(files.good, primary, { before: ['-readrate', '0.75'] })),
  },
  'an encoder that leaves what records': {
    code: 'NO_INPUT',
    level: 'warning',
    records: true,
    async send({ channel, primary, send }) {
      const sender = send(push(files.good, primary));
      await stack.api.until(`/channels/${channel}`, ({ ingest }) => ingest.sending, 40_000);
      await seconds(3);
      await sender.stop();
    },
  },
  'the backup encoder alone': {
    code: 'BACKUP_IN_USE',
    level: 'info',
    async send({ primary, backup, send }) {
      const first = send(push(files.good, primary));
      send(push(files.good, backup));
      await seconds(8);
      await first.stop();
    },
  },
};

interface Seen {
  readonly health: ApiBody;
  readonly timeline: readonly ApiBody[];
}

/** A channel of its own for each row, some rows at a time. */
const seen = new Map<string, Promise<Seen>>();

async function show(name: string, row: Row, senders: Sender[]): Promise<Seen> {
  const { api } = stack;
  const channel = `row-${Object.keys(ROWS).indexOf(name)}`;
  const at = `/channels/${channel}`;
  await api.expect(201, 'PUT', at, row.body ?? {});
  if (row.records) await api.expect(201, 'PUT', `${at}/programs/show`, {});
  await api.expect(200, 'POST', `${at}/start`);
  const { streamKey, servers } = await api.expect(200, 'GET', `${at}/stream-key`);
  const urlOf = (role: string) =>
    `${servers.find((server: ApiBody) => server.role === role && server.protocol === 'rtmp').url}/main`;
  const send = (sender: Sender) => {
    senders.push(sender);
    return sender;
  };
  const one = { channel, key: streamKey, primary: urlOf('primary'), backup: urlOf('backup'), send };
  const deadline = Date.now() + SEEN_WITHIN_MS;
  await row.send(one);
  for (let polls = 1; ; polls += 1) {
    const { health } = await api.expect(200, 'GET', at);
    if (health.code === row.code || Date.now() > deadline) {
      const { items } = await api.expect(200, 'GET', `${at}/timeline?limit=200`);
      return { health, timeline: items };
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (row.again === true && polls % 6 === 0) await row.send(one);
  }
}

/** Rows one after another in each lane, the lanes at the same time. */
function showAll(): Promise<unknown> {
  const lanes: Promise<unknown>[] = Array.from({ length: PARALLEL_MAX }, () => Promise.resolve());
  Object.entries(ROWS).forEach(([name, row], index) => {
    const lane = index % PARALLEL_MAX;
    const shown = (lanes[lane] ?? Promise.resolve()).then(() => shownAlone(name, row));
    seen.set(name, shown);
    lanes[lane] = shown.catch(() => {});
  });
  return Promise.all(lanes);
}

async function shownAlone(name: string, row: Row): Promise<Seen> {
  const senders: Sender[] = [];
  try {
    return await show(name, row, senders);
  } finally {
    await Promise.all(senders.map((sender) => sender.stop()));
  }
}

let all: Promise<unknown>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-health-'));
  const good = await makeStream(join(folder, 'good.flv'));
  const made = Object.entries(RECIPES).map(
    async ([name, recipe]) => [name, await makeStream(join(folder, `${name}.flv`), recipe)] as const,
  );
  const edited = Object.entries(EDITS).map(
    async ([name, edit]) => [name, await editStream(good, join(folder, `${name}.flv`), edit)] as const,
  );
  const entries = await Promise.all([...made, ...edited]);
  files = { good, ...Object.fromEntries(entries) } as typeof files; // made from the very keys of the type
  stack = await startStack();
  all = showAll();
}, 180_000);

afterAll(async () => {
  await all;
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 300_000);

describe('the channel’s health tells a producer what is wrong with', () => {
  it.each(Object.entries(ROWS))(
    '%s',
    async (name, { code, level }) => {
      const result = await seen.get(name);
      expect(result?.health).toMatchObject({ code, level });
      // A sentence that names what to do, and only changes in the timeline.
      expect(result?.health.message).toMatch(/^[A-Z].{30,}\.$/);
      const effects = (result?.timeline ?? []).map(
        ({ type, effect, at }: ApiBody) => `${type} ${effect} ${at}`,
      );
      expect(new Set(effects).size).toBe(effects.length);
    },
    300_000,
  );
});
