import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { writeCmafHeader } from '../../src/formats/isobmff/cmaf-header-writer.ts';
import { MalformedFragment } from '../../src/formats/isobmff/malformed-fragment.ts';
import { parseSampleTables } from '../../src/formats/isobmff/sample-table-reader.ts';
import type { LibraryTrack } from '../../src/library/library-container.ts';
import { type LibraryRecording, openLibraryRecording } from '../../src/library/library-recording.ts';
import { folderContainer } from '../support/folder-container.ts';
import { writeOriginalArchive } from '../support/original-archive.ts';
import { ffmpeg } from '../support/programs.ts';
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
      { source: 'de.cmft', reason: 'text is served of WebVTT and TTML files only' },
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
