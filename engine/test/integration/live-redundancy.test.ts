import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type LiveShow, startLiveShow } from '../support/live-show.ts';
import { ffmpeg, run, until } from '../support/programs.ts';

const GOP = ['-g', '25', '-keyint_min', '25', '-sc_threshold', '0', '-bf', '2'];
const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=s=192x108:r=25'];
const SOUND = ['-f', 'lavfi', '-i', 'sine=f=440:r=48000'];
const CODECS = [
  '-c:v',
  'libx264',
  '-preset',
  'ultrafast',
  ...GOP,
  '-b:v',
  '300k',
  '-c:a',
  'aac',
  '-b:a',
  '96k',
];
const SHOW_SECONDS = 14;

let folder: string;
let source: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-redundancy-'));
  source = join(folder, 'show.flv');
  await ffmpeg(...PICTURE, ...SOUND, '-t', String(SHOW_SECONDS), ...CODECS, '-f', 'flv', source);
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

let show: LiveShow;
const children: ChildProcess[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => stopped(child)));
  await show.close();
});

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

const connected = (count: number) =>
  until(() => show.told().filter((event) => event === 'EncoderConnected').length === count);

/** The hash of every packet, in order. */
async function packets(file: string, type: 'v' | 'a'): Promise<string[]> {
  const { stdout } = await run(
    ...(['ffprobe', '-v', 'error', '-select_streams', `${type}:0`, '-show_packets'] as const),
    ...['-show_data_hash', 'md5', '-show_entries', 'packet=data_hash', '-of', 'csv=p=0', file],
  );
  return stdout.split('\n').flatMap((line) => /MD5:\w+/i.exec(line)?.[0].toLowerCase() ?? []);
}

async function recorded(type: 'video' | 'audio'): Promise<string> {
  const [shown] = (await show.shown()).filter(({ track }) => track.type === type);
  if (shown === undefined) throw new Error(`no ${type}`);
  const file = join(folder, `${type}.mp4`);
  await writeFile(file, await show.file(shown.track));
  return file;
}

const holes = async (): Promise<number[]> =>
  (await show.shown()).flatMap(({ fragments }) =>
    fragments.slice(1).flatMap((entry, index) => {
      const before = fragments[index];
      const end = (before?.decodeTimeTicks ?? 0) + (before?.durationTicks ?? 0);
      return Math.abs(entry.decodeTimeTicks - end) > 20_000 ? [entry.decodeTimeTicks - end] : [];
    }),
  );

describe('two encoder connections of one stream', () => {
  it.each([
    { name: 'is killed', ends: (child: ChildProcess) => void child.kill('SIGKILL'), reason: 'closed' },
    { name: 'hangs', ends: (child: ChildProcess) => void child.kill('SIGSTOP'), reason: 'silent' },
  ])(
    'lose no frame and repeat none when the first $name',
    async ({ ends, reason }) => {
      show = await startLiveShow();
      const copy = ['-re', '-i', source, '-c', 'copy', '-f', 'flv'];
      const primary = push(...copy, show.url('main'));
      await connected(1);
      push(...copy, show.url('main', 'backup'));
      await connected(2);
      await new Promise((resolve) => setTimeout(resolve, 5000));
      ends(primary);
      await until(() => show.log.some((line) => line.startsWith('live.takeover')));
      expect(show.log.find((line) => line.startsWith('live.takeover'))).toContain(
        `"endpoint":"backup","kind":"seamless","reason":"${reason}"`,
      );
      await until(() => show.told().some((event) => event.includes('BACKUP_ENCODER_ACTIVE')));
      await until(() => show.told().filter((event) => event.startsWith('EncoderDisconnected')).length >= 1);
      if (reason === 'silent') await stopped(primary);
      await until(() => show.told().filter((event) => event.startsWith('EncoderDisconnected')).length === 2);
      for (const type of ['video', 'audio'] as const) {
        const want = await packets(source, type === 'video' ? 'v' : 'a');
        const got = await packets(await recorded(type), type === 'video' ? 'v' : 'a');
        expect(got).toEqual(want);
      }
      expect(await holes()).toEqual([]);
      const entries = (await show.shown()).flatMap(({ fragments }) => fragments);
      expect(new Set(entries.map(({ discontinuity }) => discontinuity)).size).toBe(1);
      expect(show.told()).toContain('HealthChanged healthy BACKUP_ENCODER_ACTIVE');
    },
    90_000,
  );

  it('go on with a clean discontinuity, and without a hole, when the encoders are two', async () => {
    show = await startLiveShow();
    const encode = (tone: string) => [
      ...['-re', ...PICTURE, '-re', '-f', 'lavfi', '-i', `sine=f=${tone}:r=48000`],
      ...[...CODECS, '-f', 'flv'],
    ];
    const primary = push(...encode('440'), show.url('main'));
    await connected(1);
    await new Promise((resolve) => setTimeout(resolve, 1300));
    const backup = push(...encode('880'), show.url('main', 'backup'));
    await connected(2);
    await new Promise((resolve) => setTimeout(resolve, 4500));
    primary.kill('SIGKILL');
    await until(() => show.log.some((line) => line.includes('"kind":"discontinuity"')));
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await stopped(backup);
    await until(() => show.told().filter((event) => event.startsWith('EncoderDisconnected')).length === 2);
    const [shown] = (await show.shown()).filter(({ track }) => track.type === 'video');
    const fragments = shown?.fragments ?? [];
    expect(new Set(fragments.map(({ discontinuity }) => discontinuity))).toEqual(new Set([0, 1]));
    for (const [index, { decodeTimeTicks }] of fragments.slice(1).entries()) {
      const before = fragments[index];
      const hole = decodeTimeTicks - (before?.decodeTimeTicks ?? 0) - (before?.durationTicks ?? 0);
      // A frame and a little: sound and picture of the one that died did not end together.
      expect([Math.sign(hole) >= 0, hole < 1_000_000]).toEqual([true, true]);
    }
  }, 90_000);

  it('are refused a second time on the same address', async () => {
    show = await startLiveShow();
    push('-re', '-i', source, '-c', 'copy', '-f', 'flv', show.url('main'));
    await connected(1);
    const said = await ffmpeg('-re', '-i', source, '-c', 'copy', '-f', 'flv', show.url('main'));
    expect(said).toContain('another encoder is publishing this stream');
    expect(show.told()).toContain('ConnectionRejected MPE_INGEST_ENCODER_CONNECTION_DENIED');
  }, 60_000);
});
