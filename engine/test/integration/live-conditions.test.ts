import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { LiveEventView } from '../../src/live/live-directory.ts';
import { type LiveShow, startLiveShow, TOKEN } from '../support/live-show.ts';
import { ffmpeg, until } from '../support/programs.ts';

const encode = (gop: number) => [
  ...['-c:v', 'libx264', '-preset', 'ultrafast', '-g', String(gop), '-keyint_min', String(gop)],
  ...['-sc_threshold', '0', '-b:v', '200k', '-c:a', 'aac', '-b:a', '64k'],
];
const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=s=192x108:r=25'];
const SOUND = ['-f', 'lavfi', '-i', 'sine=f=440:r=48000'];

let folder: string;
const file = (gop: number) => join(folder, `every-${gop}.flv`);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-conditions-'));
  for (const gop of [50, 35, 250]) {
    await ffmpeg(...PICTURE, ...SOUND, '-t', '20', ...encode(gop), '-f', 'flv', file(gop));
  }
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const children: ChildProcess[] = [];
const shows: LiveShow[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => stopped(child)));
  await Promise.all(shows.splice(0).map((show) => show.close()));
});

async function start(view?: Partial<LiveEventView>): Promise<LiveShow> {
  const show = await startLiveShow(view);
  shows.push(show);
  return show;
}

function push(...args: readonly string[]): ChildProcess {
  const child = spawn('ffmpeg', ['-hide_banner', '-nostdin', '-loglevel', 'error', ...args], {
    stdio: 'ignore',
  });
  children.push(child);
  return child;
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

const told = (show: LiveShow, text: string) =>
  until(() => show.told().some((event) => event.includes(text)), text);
const realTime = ['-stream_loop', '-1', '-re'];
const copy = ['-c', 'copy'];

describe('what a bad stream produces', () => {
  /** The recipes of docs/health.md. */
  it.each<{ name: string; pushes: (show: LiveShow) => readonly (readonly string[])[]; tells?: string }>([
    {
      name: 'TIMESTAMPS_NOT_INCREASING',
      pushes: ({ url }) => [
        [...realTime, '-i', file(50), ...copy, '-bsf:v', 'setts=ts=floor(N/2)*80', '-f', 'flv', url('main')],
      ],
    },
    {
      name: 'GAPS_IN_INPUT',
      pushes: ({ url }) => [
        [
          ...[...realTime, '-i', file(50), ...copy, '-bsf:v', 'setts=ts=TS+3000*gte(N\\,100)'],
          ...['-bsf:a', 'setts=ts=TS+3000*gte(N\\,188)', '-f', 'flv', url('main')],
        ],
      ],
      tells: 'TrackDiscontinuityDetected',
    },
    {
      name: 'TRACKS_OUT_OF_SYNC',
      pushes: ({ url }) => [
        [
          ...[...realTime, '-i', file(50), '-map', '0:v', ...copy, '-f', 'flv', url('picture')],
          ...['-map', '0:a', ...copy, '-output_ts_offset', '5', '-f', 'flv', url('sound')],
        ],
      ],
      tells: 'IncomingStreamsOutOfSync',
    },
    {
      name: 'VIDEO_QUALITIES_OUT_OF_SYNC',
      pushes: ({ url }) => [
        [
          ...[...realTime, '-i', file(50), '-map', '0', ...copy, '-f', 'flv', url('high')],
          ...['-map', '0:v', ...copy, '-output_ts_offset', '5', '-f', 'flv', url('low')],
        ],
      ],
      tells: 'IncomingVideoStreamsOutOfSync',
    },
    {
      name: 'KEYFRAMES_NOT_ALIGNED',
      pushes: ({ url }) => [
        [
          ...[...realTime, '-i', file(50), ...realTime, '-i', file(35)],
          ...[
            '-map',
            '0',
            ...copy,
            '-f',
            'flv',
            url('high'),
            '-map',
            '1:v',
            ...copy,
            '-f',
            'flv',
            url('low'),
          ],
        ],
      ],
    },
    {
      name: 'KEYFRAMES_TOO_FAR_APART',
      pushes: ({ url }) => [[...realTime, '-i', file(250), ...copy, '-f', 'flv', url('main')]],
    },
    {
      name: 'INGEST_LAGGING',
      pushes: ({ url }) => [
        ['-stream_loop', '-1', '-readrate', '0.8', '-i', file(50), ...copy, '-f', 'flv', url('main')],
      ],
    },
    {
      name: 'BACKUP_ENCODER_ACTIVE',
      pushes: ({ url }) => [[...realTime, '-i', file(50), ...copy, '-f', 'flv', url('main', 'backup')]],
    },
  ])(
    '$name',
    async ({ name, pushes, tells }) => {
      const show = await start();
      for (const args of pushes(show)) push(...args);
      await until(
        () => show.told().some((event) => /^HealthChanged /.test(event) && event.includes(name)),
        name,
      );
      if (tells !== undefined) await told(show, tells);
      const health = show
        .data('LiveEventHealthChanged')
        .find(({ reasons }) => String(reasons).includes(name));
      expect(health?.['health']).toBe(name === 'BACKUP_ENCODER_ACTIVE' ? 'healthy' : 'warning');
    },
    60_000,
  );

  it('nothing, when it is good', async () => {
    const show = await start();
    push(...realTime, '-i', file(50), ...copy, '-f', 'flv', show.url('main'));
    push(...realTime, '-i', file(50), '-map', '0:v', ...copy, '-f', 'flv', show.url('low'));
    await until(() => show.data('LiveEventIngestHeartbeat').length >= 3, 'heartbeats');
    expect(show.told().filter((event) => event.startsWith('HealthChanged'))).toEqual([
      'HealthChanged healthy',
    ]);
    for (const heartbeat of show.data('LiveEventIngestHeartbeat')) {
      expect(heartbeat).toMatchObject({ healthy: true, ingestDriftValue: '0' });
    }
  }, 60_000);
});

describe('a live event that nobody feeds any more', () => {
  it('lets go of what its preview holds, and shows what comes after that', async () => {
    let laterMs = 0;
    const show = await startLiveShow({}, { now: () => Date.now() + laterMs });
    shows.push(show);
    const args = ['-re', '-i', file(50), '-t', '5', ...copy, '-f', 'flv', show.url('main')];
    push(...args);
    await told(show, 'EncoderDisconnected');
    const fragments = async () => (await show.shown()).map((track) => track.fragments.length);
    expect((await fragments()).every((count) => count > 0)).toBe(true);
    laterMs = 200_000;
    await until(() => show.log.some((line) => line.startsWith('live.windowReleased')), 'release');
    expect(await fragments()).toEqual([0, 0]);
    push(...args);
    await until(async () => (await fragments()).every((count) => count > 0), 'fragments');
    expect((await show.shown()).every(({ fragments: [first] }) => (first?.sequence ?? 0) > 0)).toBe(true);
  }, 60_000);
});

describe('the door', () => {
  const small = (rate: number, size = '192x108') => [
    '-re',
    '-f',
    'lavfi',
    '-i',
    `testsrc2=s=${size}:r=${rate}`,
  ];
  const x264 = (bitrate: string) => ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-b:v', bitrate];

  it.each<{ name: string; view?: Partial<LiveEventView>; args: readonly string[] }>([
    {
      name: 'MPE_INGEST_VIDEO_RESOLUTION_NOT_SUPPORTED',
      view: { encodingType: 'Premium1080p' },
      args: [...small(5, '2048x1152'), ...x264('500k')],
    },
    { name: 'MPE_INGEST_FRAMERATE_EXCEEDED', args: [...small(100), ...x264('500k')] },
    {
      name: 'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED',
      view: { encodingType: 'PassthroughBasic' },
      args: [...small(25), ...x264('4500k')],
    },
  ])(
    'refuses a stream that is too much: $name',
    async ({ name, view, args }) => {
      const show = await start(view);
      push(...args, '-t', '20', '-f', 'flv', show.url('main'));
      await told(show, `ConnectionRejected ${name}`);
      await told(show, `EncoderDisconnected ${name}`);
      expect(await show.shown()).toEqual([]);
    },
    60_000,
  );

  it('refuses a second quality of an event that encodes, and an aggregate that is too much', async () => {
    const [encoding, basic] = [
      await start({ encodingType: 'Standard' }),
      await start({ encodingType: 'PassthroughBasic' }),
    ];
    for (const show of [encoding, basic]) {
      push(...small(25), ...x264('3000k'), '-t', '30', '-f', 'flv', show.url('high'));
      await told(show, 'IncomingStreamReceived');
      push(...small(25), ...x264('3000k'), '-t', '30', '-f', 'flv', show.url('low'));
    }
    await told(encoding, 'ConnectionRejected MPE_INGEST_MEDIA_QUALITIES_EXCEEDED');
    await told(basic, 'ConnectionRejected MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED');
  }, 60_000);

  it('knows networks, protocols and tokens, and lets go for a reset with its own code', async () => {
    const show = await start({ ingestAllow: [{ address: '203.0.113.0', prefixLength: 24 }] });
    const args = ['-re', '-i', file(50), ...copy, '-f', 'flv'];
    expect(await ffmpeg(...args, show.url('main'))).toContain('ingest allow list');
    show.view = { ...show.view, ingestAllow: [] };
    expect(await ffmpeg(...args, show.url('main'))).toContain('ingest allow list');
    const everyone = [{ address: '0.0.0.0', prefixLength: 0 }];
    show.view = { ...show.view, ingestAllow: everyone, streamingProtocol: 'FragmentedMP4' };
    expect(await ffmpeg(...args, show.url('main'))).toContain('FragmentedMP4');
    show.view = { ...show.view, streamingProtocol: 'RTMP' };
    push(...args, show.url('main'));
    await told(show, 'EncoderConnected');
    const previous = { token: TOKEN, validUntilMs: Date.now() + 600_000 };
    show.view = { ...show.view, accessToken: 'ffff0000ff', previousAccessToken: previous, ingestAllow: [] };
    await show.refresh();
    show.view = { ...show.view, ingestAllow: everyone };
    push(...args, show.url('other'));
    await until(() => show.told().filter((event) => event === 'EncoderConnected').length === 2);
    show.view = { ...show.view, previousAccessToken: { ...previous, validUntilMs: Date.now() - 1 } };
    expect(await ffmpeg(...args, show.url('late'))).toContain('stream key');
    expect(show.told().filter((event) => event.startsWith('EncoderDisconnected'))).toEqual([]);
    show.view = { ...show.view, resourceState: 'Stopping', isResetting: true };
    await show.refresh();
    expect(show.told().filter((event) => event.startsWith('EncoderDisconnected'))).toEqual([
      'EncoderDisconnected MPI_REST_API_CHANNEL_RESET',
      'EncoderDisconnected MPI_REST_API_CHANNEL_RESET',
    ]);
    show.view = { ...show.view, resourceState: 'StandBy', isResetting: false, previousAccessToken: previous };
    expect(await ffmpeg(...args, show.url('main'))).toContain('StandBy');
  }, 90_000);
});
