import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { writeCmafHeader } from '../../src/formats/isobmff/cmaf-header-writer.ts';
import { parseFragmentIndex } from '../../src/formats/isobmff/fragment-index-reader.ts';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import { MalformedFragment } from '../../src/formats/isobmff/malformed-fragment.ts';
import { TFXD_USER_TYPE } from '../../src/formats/isobmff/sample-flags.ts';
import { parseSampleTables } from '../../src/formats/isobmff/sample-table-reader.ts';
import { parseWebVtt, type WebVttCue } from '../../src/formats/webvtt.ts';
import { writeWebVtt, writeWebVttHead } from '../../src/formats/webvtt-writer.ts';
import { readFragmentedCaptions } from '../../src/library/fragmented-captions.ts';
import type { LibraryTrack } from '../../src/library/library-container.ts';
import { type LibraryRecording, openLibraryRecording } from '../../src/library/library-recording.ts';
import { folderContainer } from '../support/folder-container.ts';
import { writeOriginalArchive } from '../support/original-archive.ts';
import { ffmpeg } from '../support/programs.ts';
import { shakaPackager } from '../support/shaka-packager.ts';
import { makeSource, packetsOf } from '../support/source-media.ts';

const SECONDS = 8;
/** 2018-08-08, as encoders' clocks that count from 1970 say it: more than a double holds. */
const IN_2018 = 15_336_831_650_000_000n;

let folder: string;
let source: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-library-'));
  source = await makeSource(folder, 'source.mp4', SECONDS);
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

async function open(root: string, manifestName = 'show'): Promise<LibraryRecording> {
  const recording = await openLibraryRecording(folderContainer(root), manifestName);
  if (recording === undefined) throw new Error('no recording');
  return recording;
}

/** The track as FFmpeg reads what we make of it. */
async function packetsOfTrack(track: LibraryTrack, stream: 'v:0' | 'a:0') {
  const pieces: Uint8Array[] = [writeCmafHeader(track.index.track, 0)];
  for (const entry of track.index.fragments) pieces.push((await track.fragment(entry)) ?? new Uint8Array());
  const file = join(folder, `${track.index.track.streamName}-${track.index.track.bitrateBps}.check.mp4`);
  await writeFile(file, Buffer.concat(pieces));
  return packetsOf(file, stream);
}

/** Frame by frame the source's, with the same distances in time between picture and sound. */
async function expectSource(recording: LibraryRecording, files: readonly string[] = [source, source]) {
  const offsets: number[] = [];
  const [video, audio] = recording.tracks;
  if (video === undefined || audio === undefined) throw new Error('picture and sound are expected');
  for (const [track, stream, file = source] of [
    [video, 'v:0', files[0]],
    [audio, 'a:0', files[1]],
  ] as const) {
    const [expected, seen] = await Promise.all([packetsOf(file, stream), packetsOfTrack(track, stream)]);
    expect(seen.map(({ md5 }) => md5)).toEqual(expected.map(({ md5 }) => md5));
    offsets.push(...seen.map(({ ptsTicks }, at) => ptsTicks - (expected[at]?.ptsTicks ?? 0)));
  }
  // Each of them is rounded to a tick of another scale.
  expect(Math.max(...offsets) - Math.min(...offsets)).toBeLessThanOrEqual(2);
  for (const { index } of recording.tracks) {
    for (const [at, entry] of index.fragments.entries()) {
      const before = index.fragments[at - 1];
      if (before === undefined) continue;
      expect(
        Math.abs(before.decodeTimeTicks + before.durationTicks - entry.decodeTimeTicks),
      ).toBeLessThanOrEqual(1);
      expect(entry.firstSample).toBeGreaterThanOrEqual(before.firstSample + before.sampleCount);
    }
  }
}

const ism = (tracks: string, formats = 'mp4-v3') =>
  `<smil xmlns="http://www.w3.org/2001/SMIL20/Language"><head><meta name="formats" content="${formats}"/></head><body><switch>${tracks}</switch></body></smil>`;
const element = (type: string, src: string, bitrate: number, trackId: number) =>
  `<${type} src="${src}" systemBitrate="${bitrate}"><param name="trackID" value="${trackId}"/><param name="trackName" value="${type}"/></${type}>`;

describe('an asset of MP4 files', () => {
  it('is cut at key frames, and every frame is the file’s', async () => {
    const recording = await open(await mp4Asset('plain'));
    expect(recording.unreadable).toEqual([]);
    expect(recording.zeroMs).toBeUndefined();
    expect(recording.tracks.map(({ index }) => index.track)).toMatchObject([
      { type: 'video', streamName: 'video', bitrateBps: 300_000, folder: 'show.ism/video_300000' },
      { type: 'audio', streamName: 'audio', bitrateBps: 64_000, folder: 'show.ism/audio_64000' },
    ]);
    for (const { index } of recording.tracks) {
      expect(index.fragments.map(({ durationTicks }) => Math.round(durationTicks / 1e7))).toEqual([
        2, 2, 2, 2,
      ]);
    }
    await expectSource(recording);
  }, 30_000);

  it('may have its moov at the end, or at the start; sound in a file of its own; what cannot be read is left out', async () => {
    const root = await mp4Asset('apart');
    await ffmpeg('-i', source, '-map', '0:v', '-c', 'copy', '-movflags', '+faststart', join(root, 'v.mp4'));
    await ffmpeg('-i', source, '-map', '0:a', '-c', 'copy', join(root, 'a.mp4'));
    await ffmpeg('-i', source, '-map', '0:a', '-c:a', 'ac3', join(root, 'ac3.mp4'));
    const tracks = [
      element('video', 'v.mp4', 300_000, 1),
      element('audio', 'a.mp4', 64_000, 7),
      element('audio', 'ac3.mp4', 192_000, 1),
      element('video', 'gone.mp4', 1, 1),
      element('textstream', 'de.cmft', 0, 1),
    ];
    await writeFile(join(root, 'show.ism'), ism(tracks.join('')));
    const recording = await open(root);
    expect(recording.unreadable).toEqual([
      { source: 'ac3.mp4', reason: "codec 'ac-3' is not served" },
      { source: 'gone.mp4', reason: 'the file is not in the container' },
      { source: 'de.cmft', reason: 'the file is not in the container' },
    ]);
    await expectSource(recording);
  }, 30_000);

  it('is none without a manifest that is one', async () => {
    const root = await mp4Asset('none');
    await writeFile(join(root, 'broken.ism'), '<smil><head></smil>');
    for (const name of ['other', 'broken']) {
      expect(await openLibraryRecording(folderContainer(root), name)).toBeUndefined();
    }
  });

  it('survives any damage to its tables', async () => {
    const bytes = await readFile(source);
    const at = bytes.indexOf('moov') - 4;
    const moov = bytes.subarray(at, at + bytes.readUInt32BE(at));
    const damage = fc.array(fc.tuple(fc.nat(moov.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(damage, (changes) => {
        const damaged = Buffer.from(moov);
        for (const [offset, value] of changes) damaged[offset] = value;
        try {
          parseSampleTables(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFragment);
        }
      }),
      { numRuns: 300 },
    );
  });

  async function mp4Asset(name: string): Promise<string> {
    const root = join(folder, name);
    await mkdir(root);
    await writeFile(join(root, 'source.mp4'), await readFile(source));
    const tracks = [element('video', 'source.mp4', 300_000, 1), element('audio', 'source.mp4', 64_000, 2)];
    await writeFile(join(root, 'show.ism'), ism(tracks.join('')));
    return root;
  }
});

describe('text that is only in a CMAF file', () => {
  const SPOKEN = [
    { startMs: 500, endMs: 1500, payload: 'one' },
    // Longer than a fragment: packagers repeat it in the next.
    { startMs: 1800, endMs: 4500, payload: 'two' },
    { startMs: 6000, endMs: 7000, payload: 'three' },
  ];

  it.each([
    { codec: 'wvtt', format: 'mp4' },
    { codec: 'stpp', format: 'ttml+mp4' },
  ])(
    'is read of $codec as another packager writes it',
    async ({ codec, format }) => {
      const root = join(folder, `text ${codec}`);
      await mkdir(root);
      await writeFile(join(root, 'source.mp4'), await readFile(source));
      const vtt = join(root, 'text.vtt');
      await writeFile(vtt, writeWebVtt(writeWebVttHead([]), SPOKEN));
      const output = `format=${format},language=de,output=${join(root, 'de.cmft')}`;
      await shakaPackager(`input=${vtt},stream=text,${output}`, '--segment_duration', '2');
      expect((await readFile(join(root, 'de.cmft'))).includes(codec)).toBe(true);
      const tracks = [element('video', 'source.mp4', 300_000, 1), element('textstream', 'de.cmft', 0, 1)];
      await writeFile(join(root, 'show.ism'), ism(tracks.join('')));
      const recording = await open(root);
      expect(recording.unreadable).toEqual([]);
      const [, text] = recording.tracks;
      expect(text?.index.track).toMatchObject({
        type: 'text',
        language: expect.stringMatching(/^(?:de|ger|deu)$/),
      });
      const cues = new Map<number, WebVttCue>();
      for (const entry of text?.index.fragments ?? []) {
        const file = await text?.fragment(entry);
        for (const cue of parseWebVtt(file ?? new Uint8Array()).cues) cues.set(cue.startMs, cue);
      }
      expect([...cues.values()].map(({ startMs, endMs, payload }) => ({ startMs, endMs, payload }))).toEqual(
        SPOKEN,
      );
    },
    30_000,
  );

  it('survives any damage', async () => {
    const whole = await readFile(join(folder, 'text wvtt', 'de.cmft'));
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(damage, (changes) => {
        const damaged = Buffer.from(whole);
        for (const [offset, value] of changes) damaged[offset] = value;
        try {
          readFragmentedCaptions(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFragment);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('files in fragments', () => {
  const BOTH = ['v:0', 'a:0'] as const;
  /** Smooth Streaming on demand, as encoders of its time have written it: an index at the end, no times within. */
  const smooth = (streams: readonly string[]) => [
    ...['-c', 'copy', '-f', 'ismv'],
    ...streams.flatMap((one) => ['-map', `0:${one}`]),
  ];
  /** Sound that an encoder began before 0 begins at 0, and pictures as much later. */
  const FROM_0 = ['-ignore_editlist', '1'];
  const asIs = (file: Buffer): Buffer => file;

  it.each([
    { name: 'an index of all', files: { 'show.ismv': BOTH }, change: asIs },
    { name: 'an index alone to say the times', files: { 'show.ismv': BOTH }, change: withoutTimes },
    { name: 'an index of every second key frame', files: { 'show.ismv': BOTH }, change: withHalfAnIndex },
    { name: 'no index', files: { 'show.ismv': BOTH }, change: withoutIndex },
    {
      name: 'neither index nor times',
      files: { 'show.ismv': BOTH },
      change: (file: Buffer) => withoutIndex(withoutTimes(file)),
      areTimesLost: true,
    },
    { name: 'a file for each track', files: { 'show.ismv': ['v:0'], 'show.isma': ['a:0'] }, change: asIs },
    { name: 'sound that begins before 0', files: { 'show.ismv': BOTH }, change: withoutIndex, input: [] },
  ])(
    'with $name are read, and every frame is the file’s',
    async ({ name, files, change, input = FROM_0, areTimesLost = false }) => {
      const root = join(folder, `fragmented ${name}`);
      await mkdir(root);
      for (const [file, streams] of Object.entries(files)) {
        const whole = join(root, `whole-${file}`);
        await ffmpeg(...input, '-i', source, ...smooth(streams), whole);
        await writeFile(join(root, file), change(await readFile(whole)));
      }
      const [video = '', audio = video] = Object.keys(files);
      const tracks = [
        element('video', video, 300_000, 1),
        element('audio', audio, 64_000, audio === video ? 2 : 1),
      ];
      await writeFile(join(root, 'show.ism'), ism(tracks.join(''), 'ismv'));
      const recording = await open(root);
      expect(recording.unreadable).toEqual([]);
      const offsets: number[] = [];
      for (const [at, stream] of (['v:0', 'a:0'] as const).entries()) {
        const track = recording.tracks[at];
        if (track === undefined) throw new Error(`no ${stream}`);
        const [expected, seen, ticks] = await Promise.all([
          packetsOf(source, stream, ...input),
          packetsOfTrack(track, stream),
          presentedTicks(track),
        ]);
        expect(seen.map(({ md5 }) => md5)).toEqual(expected.map(({ md5 }) => md5));
        offsets.push(...expected.map(({ ptsTicks }, index) => (ticks[index] ?? 0) - ptsTicks));
      }
      if (!areTimesLost) expect(Math.max(...offsets) - Math.min(...offsets)).toBeLessThanOrEqual(2);
      expectWhole(recording, change === withHalfAnIndex ? SECONDS / 2 : SECONDS);
    },
    30_000,
  );

  it('of several tracks in one fragment, or without any, are told; of one that was cut off what is left is read', async () => {
    const root = join(folder, 'not served');
    await mkdir(root);
    const fragments = ['-movflags', 'frag_keyframe+empty_moov+default_base_moof'];
    await ffmpeg('-i', source, '-c', 'copy', ...fragments, join(root, 'together.mp4'));
    await ffmpeg('-i', source, ...smooth(BOTH), join(root, 'whole.ismv'));
    const whole = await readFile(join(root, 'whole.ismv'));
    await writeFile(join(root, 'cut.ismv'), whole.subarray(0, whole.lastIndexOf('mdat') + 100));
    await writeFile(join(root, 'empty.ismv'), whole.subarray(0, whole.indexOf('moof') - 4));
    const tracks = ['together.mp4', 'cut.ismv', 'empty.ismv'].map((file) => element('video', file, 1, 1));
    await writeFile(join(root, 'show.ism'), ism(tracks.join('')));
    const { unreadable, tracks: read } = await open(root);
    expect(unreadable).toEqual([
      { source: 'together.mp4', reason: '2 traf boxes where one belongs' },
      { source: 'empty.ismv', reason: 'the video of the file has no fragments' },
    ]);
    // Up to where it was cut off.
    expect(read.map(({ index }) => index.fragments.length)).toEqual([SECONDS - 1]);
  }, 30_000);

  it('survive any damage to their index', () => {
    const index = mfraOf([
      {
        trackId: 1,
        entries: [
          [0n, 100],
          [20n, 300],
          [40n, 500],
        ],
      },
    ]);
    expect(parseFragmentIndex(index).get(1)).toEqual([
      { time: 0n, offset: 100 },
      { time: 20n, offset: 300 },
      { time: 40n, offset: 500 },
    ]);
    const damage = fc.array(fc.tuple(fc.nat(index.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(damage, (changes) => {
        const damaged = Buffer.from(index);
        for (const [offset, value] of changes) damaged[offset] = value;
        try {
          for (const [, entries] of parseFragmentIndex(damaged)) {
            expect(entries.map(({ offset }) => offset)).toEqual(
              [...new Set(entries.map(({ offset }) => offset))].sort((a, b) => a - b),
            );
          }
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFragment);
        }
      }),
      { numRuns: 300 },
    );
  });

  function expectWhole({ tracks }: LibraryRecording, count: number): void {
    const [pictures, sound] = tracks.map(({ index }) => index.fragments);
    expect(pictures?.length).toBe(count);
    for (const fragments of [pictures, sound]) {
      const [first, last] = [fragments?.[0], fragments?.at(-1)];
      if (first === undefined || last === undefined) throw new Error('no fragments');
      const seconds = (last.decodeTimeTicks + last.durationTicks - first.decodeTimeTicks) / 1e7;
      expect(Math.abs(seconds - SECONDS)).toBeLessThan(0.05);
    }
  }

  /** FFmpeg adds to those of streams that are shown before they are decoded. */
  async function presentedTicks({ index, fragment }: LibraryTrack): Promise<number[]> {
    const ticks: number[] = [];
    for (const entry of index.fragments) {
      const { decodeTimeTicks, samples } = parseFragment((await fragment(entry)) ?? new Uint8Array());
      expect(decodeTimeTicks).toBe(entry.decodeTimeTicks);
      let dtsTicks = decodeTimeTicks;
      for (const { compositionOffsetTicks, durationTicks } of samples) {
        ticks.push(dtsTicks + compositionOffsetTicks);
        dtsTicks += durationTicks;
      }
    }
    return ticks;
  }

  function withoutIndex(file: Buffer): Buffer {
    return file.subarray(0, file.lastIndexOf('mfra') - 4);
  }

  /** The boxes of the times become free space. */
  function withoutTimes(file: Buffer): Buffer {
    const userType = Buffer.from(TFXD_USER_TYPE, 'hex');
    const changed = Buffer.from(file);
    for (let at = changed.indexOf(userType); at !== -1; at = changed.indexOf(userType, at)) {
      changed.write('free', at - 4, 'latin1');
      at += userType.length;
    }
    return changed;
  }

  function withHalfAnIndex(file: Buffer): Buffer {
    const index = parseFragmentIndex(file.subarray(file.lastIndexOf('mfra') - 4));
    const halves = [...index].map(([trackId, entries]) => ({
      trackId,
      entries: entries.filter((_, at) => at % 2 === 0).map(({ time, offset }) => [time, offset] as const),
    }));
    return Buffer.concat([withoutIndex(file), mfraOf(halves)]);
  }

  interface Indexed {
    readonly trackId: number;
    readonly entries: readonly (readonly [time: bigint, offset: number])[];
  }

  /** ISO/IEC 14496-12 §8.8.9: version 1, and one byte for each of the numbers of traf, trun and sample. */
  function mfraOf(tracks: readonly Indexed[]): Buffer {
    const tfras = tracks.map(({ trackId, entries }) => {
      const head = Buffer.alloc(16);
      head.writeUInt8(1, 0);
      head.writeUInt32BE(trackId, 4);
      head.writeUInt32BE(entries.length, 12);
      return mp4Box(
        'tfra',
        head,
        ...entries.map(([time, offset]) => {
          const entry = Buffer.alloc(19, 1);
          entry.writeBigUInt64BE(time, 0);
          entry.writeBigUInt64BE(BigInt(offset), 8);
          return entry;
        }),
      );
    });
    const size = Buffer.alloc(8);
    size.writeUInt32BE(8 + tfras.reduce((sum, { length }) => sum + length, 0) + 16, 4);
    return mp4Box('mfra', ...tfras, mp4Box('mfro', size));
  }

  function mp4Box(type: string, ...body: readonly Buffer[]): Buffer {
    const head = Buffer.alloc(8, type.padStart(8));
    head.writeUInt32BE(8 + body.reduce((sum, { length }) => sum + length, 0), 0);
    return Buffer.concat([head, ...body]);
  }
});

describe('a live archive of the original service', () => {
  it.each([
    { formats: 'vod-fmp4', startTicks: 0n, hasClientManifest: true },
    { formats: 'vod-fmp4', startTicks: IN_2018, hasClientManifest: true },
    { formats: 'live-fmp4', startTicks: IN_2018, hasClientManifest: false },
    { formats: 'vod-cmaf', startTicks: 50_000_000n, hasClientManifest: true },
    { formats: 'll-cmaf', startTicks: 0n, hasClientManifest: false },
  ] as const)(
    'of $formats from $startTicks, client manifest: $hasClientManifest',
    async (layout) => {
      const root = join(folder, `${layout.formats}-${layout.startTicks}`);
      const written = await writeOriginalArchive(root, source, { manifestName: 'show', ...layout });
      const recording = await open(root);
      expect(recording.unreadable).toEqual([]);
      expect(recording.zeroMs).toBe(layout.startTicks === IN_2018 ? 1_533_683_165_000 : undefined);
      const [video] = recording.tracks;
      expect(video?.index.fragments.length).toBe(SECONDS);
      await expectSource(
        recording,
        written.map(({ file }) => file),
      );
    },
    30_000,
  );
});
