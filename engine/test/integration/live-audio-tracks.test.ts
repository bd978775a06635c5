import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { parseIndexLine, writeIndexLine } from '../../src/model/index-line.ts';
import { writeMpd } from '../../src/packager/dash-packager.ts';
import { writeMultivariantPlaylist } from '../../src/packager/hls-packager.ts';
import { type LiveShow, startLiveShow } from '../support/live-show.ts';
import { readHls } from '../support/manifest-readers.ts';
import { ffmpeg, run, until } from '../support/programs.ts';
import { clearForm } from '../support/streaming-forms.ts';

const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=s=192x108:r=25'];
const tone = (frequency: number) => ['-f', 'lavfi', '-i', `sine=f=${frequency}:r=48000`];
const CODECS = [
  '-c:v',
  'libx264',
  '-preset',
  'ultrafast',
  '-g',
  '50',
  '-b:v',
  '200k',
  '-c:a',
  'aac',
  '-b:a',
  '64k',
];

let folder: string;
let source: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-audio-'));
  source = join(folder, 'languages.mp4');
  const languages = ['-metadata:s:a:0', 'language=eng', '-metadata:s:a:1', 'language=deu'];
  const maps = ['-map', '0:v', '-map', '1:a', '-map', '2:a'];
  await ffmpeg(...PICTURE, ...tone(440), ...tone(880), ...maps, '-t', '16', ...CODECS, ...languages, source);
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const children: ChildProcess[] = [];
let show: LiveShow;
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

const soundsWith = (fragments: number) => async () =>
  (await show.shown()).filter((one) => one.track.type === 'audio' && one.fragments.length >= fragments)
    .length;

/** The strongest of two tones in what is shown of a track. */
async function toneOf(folderName: string): Promise<number> {
  const shown = (await show.shown()).find(({ track }) => track.folder === folderName);
  if (shown === undefined) throw new Error(`nothing is shown of ${folderName}`);
  const file = join(folder, `${folderName}.mp4`);
  await writeFile(file, await show.file(shown.track));
  const volumes = await Promise.all(
    [440, 880].map(async (frequency) => {
      const filter = `bandpass=f=${frequency}:width_type=h:w=40,volumedetect`;
      const { stderr } = await run('ffmpeg', '-nostdin', '-i', file, '-af', filter, '-f', 'null', '-');
      return { frequency, volume: Number(/mean_volume: (-?[\d.]+)/.exec(stderr)?.[1]) };
    }),
  );
  return volumes.sort((a, b) => b.volume - a.volume)[0]?.frequency ?? 0;
}

async function multivariant() {
  const tracks = await show.shown();
  const index = { state: 'live', tracks, rewindTicks: undefined } as const;
  const playlist = readHls(writeMultivariantPlaylist(index, { form: clearForm('m3u8-cmaf') }));
  return { playlist, mpd: writeMpd(index, { nowMs: Date.now() }) };
}

describe('several audio tracks', () => {
  it('of one fragmented MP4 push are told apart by language, in HLS and in DASH', async () => {
    show = await startLiveShow({ streamingProtocol: 'FragmentedMP4' });
    const ismv = ['-c', 'copy', '-map', '0', '-movflags', 'isml+frag_keyframe', '-f', 'ismv'];
    push('-re', '-i', source, ...ismv, show.smoothUrl('encoder'));
    await until(async () => (await soundsWith(3)()) === 2, 'two audio tracks');
    const sounds = (await show.shown()).map(({ track }) => track).filter(({ type }) => type === 'audio');
    expect(sounds.map(({ language }) => language)).toEqual(['en', 'de']);
    expect(new Set(sounds.map(({ streamName }) => streamName)).size).toBe(2);
    expect(await Promise.all(sounds.map((track) => toneOf(track.folder)))).toEqual([440, 880]);
    const { playlist, mpd } = await multivariant();
    expect(JSON.stringify(playlist)).toContain('audio');
    for (const { streamName, language } of sounds) {
      expect(mpd).toContain(`lang="${language}"`);
      expect(mpd).toContain(`Fragments(${streamName}=`);
    }
    for (const track of sounds) {
      expect(parseIndexLine(writeIndexLine({ kind: 'track', track }))).toEqual({ kind: 'track', track });
    }
    expect(show.told().filter((event) => event.includes('OutOfSync'))).toEqual([]);
  }, 60_000);

  it('come from a connection of sound only beside one with a picture, and the repeated sound of rungs is one', async () => {
    show = await startLiveShow();
    const flv = ['-c', 'copy', '-f', 'flv'];
    push(
      ...['-re', '-i', source, '-map', '0:v', '-map', '0:a:0', ...flv, show.url('high')],
      ...['-map', '0:v', '-map', '0:a:0', ...flv, show.url('low')],
      ...['-map', '0:a:1', ...flv, show.url('Kommentar')],
    );
    await until(async () => (await soundsWith(2)()) === 2, 'two audio tracks');
    const sounds = (await show.shown()).map(({ track }) => track).filter(({ type }) => type === 'audio');
    expect(sounds.map(({ streamName, label }) => [streamName, label])).toEqual([
      ['audio', undefined],
      ['kommentar', 'Kommentar'],
    ]);
    expect(await Promise.all(sounds.map((track) => toneOf(track.folder)))).toEqual([440, 880]);
    const { playlist } = await multivariant();
    expect(JSON.stringify(playlist)).toContain('kommentar');
  }, 60_000);
});

describe('two encoders of one fragmented MP4 stream', () => {
  it('are one without a seam when one of them dies', async () => {
    show = await startLiveShow({ streamingProtocol: 'FragmentedMP4' });
    const ismv = ['-c', 'copy', '-map', '0:v', '-movflags', 'isml+frag_keyframe', '-f', 'ismv'];
    const first = push('-re', '-i', source, ...ismv, show.smoothUrl('main'));
    push('-re', '-i', source, ...ismv, show.smoothUrl('main'));
    await until(() => show.told().filter((event) => event === 'EncoderConnected').length === 2);
    await until(async () => (await show.shown()).some(({ fragments }) => fragments.length >= 2), 'fragments');
    first.kill('SIGKILL');
    await until(
      async () => (await show.shown()).some(({ fragments }) => fragments.length >= 6),
      'more fragments',
    );
    const [video] = await show.shown();
    const fragments = video?.fragments ?? [];
    expect(new Set(fragments.map(({ discontinuity }) => discontinuity)).size).toBe(1);
    for (const [index, { decodeTimeTicks }] of fragments.slice(1).entries()) {
      const before = fragments[index];
      expect(decodeTimeTicks).toBe((before?.decodeTimeTicks ?? 0) + (before?.durationTicks ?? 0));
    }
    expect(show.told().filter((event) => event.includes('Dropped'))).toEqual([]);
  }, 60_000);

  it('drop what overlaps when their fragments do not begin together, and say so', async () => {
    show = await startLiveShow({ streamingProtocol: 'FragmentedMP4' });
    const smooth = (gop: number) => [
      ...['-re', ...PICTURE, '-t', '20', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', String(gop)],
      ...['-sc_threshold', '0', '-b:v', '200k', '-movflags', 'isml+frag_keyframe', '-f', 'ismv'],
    ];
    push(...smooth(50), show.smoothUrl('main'));
    push(...smooth(35), show.smoothUrl('main'));
    await until(
      () => show.told().some((event) => event === 'IncomingDataChunkDropped FragmentDrop_OverlapTimestamp'),
      'dropped',
    );
    await until(
      () => show.told().some((event) => /^HealthChanged .*TIMESTAMPS_OVERLAP/.test(event)),
      'health',
    );
  }, 60_000);
});
