import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encryptFragment } from '../../src/encryption/fragment-encryption.ts';
import { encryptHeader } from '../../src/encryption/header-encryption.ts';
import { ivSaltOf } from '../../src/encryption/initialization-vector.ts';
import { readBoxes } from '../../src/formats/isobmff/box-reader.ts';
import { readSampleInformation } from '../support/sample-decryption.ts';
import { shakaPackager } from '../support/shaka-packager.ts';
import { packetsOf } from '../support/source-media.ts';
import { makeStoredMedia, type StoredMedia } from '../support/stored-media.ts';

const KEY = {
  id: '01234567-89ab-cdef-0123-456789abcdef',
  value: Buffer.from('0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'hex'),
};
const KEY_HEX = KEY.value.toString('hex');
const KEY_ID_HEX = KEY.id.replaceAll('-', '');
const IV_SALT = ivSaltOf('asset', 'show');

const picture = (size: string, frames: number) => [
  ...['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=25,noise=alls=20:allf=t`, '-frames:v', String(frames)],
];
const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=3'];

/** What is hard about each is in its name. */
const SOURCES = {
  'AVC high, B-frames, weights, four slices': {
    encoding: [
      ...[
        ...picture('320x180', 50),
        '-c:v',
        'libx264',
        '-preset',
        'medium',
        '-b:v',
        '900k',
        '-g',
        '25',
        '-sc_threshold',
        '0',
      ],
      ...['-bf', '3', '-x264-params', 'slices=4:ref=5:weightp=2:b-pyramid=strict:aud=1'],
    ],
    samplesPerFragment: 25,
  },
  'AVC baseline, more slices in a picture than saiz can tell of': {
    encoding: [
      ...[...picture('320x180', 12), '-c:v', 'libx264', '-profile:v', 'baseline', '-pix_fmt', 'yuv420p'],
      ...['-qp', '12', '-g', '12', '-x264-params', 'slice-max-size=300'],
    ],
    samplesPerFragment: 12,
  },
  'AVC interlaced, several hundred KiB in a sample': {
    encoding: [
      ...[...picture('1280x720', 6), '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-preset', 'ultrafast'],
      ...['-qp', '1', '-flags', '+ildct+ilme', '-bf', '1', '-x264-params', 'repeat-headers=1'],
    ],
    samplesPerFragment: 6,
  },
  'AVC of a few bytes per sample': {
    encoding: [
      ...['-f', 'lavfi', '-i', 'color=black:size=64x64:rate=25', '-frames:v', '30', '-c:v', 'libx264'],
      ...['-pix_fmt', 'yuv420p', '-qp', '51', '-g', '30', '-bf', '2'],
    ],
    samplesPerFragment: 30,
  },
  'HEVC, B-frames, weights, slices, rows in parallel': {
    encoding: [
      ...[
        ...picture('416x240', 30),
        '-c:v',
        'libx265',
        '-preset',
        'medium',
        '-b:v',
        '900k',
        '-tag:v',
        'hvc1',
      ],
      ...['-pix_fmt', 'yuv420p'],
      ...[
        '-x265-params',
        'log-level=none:bframes=4:slices=2:wpp=1:ctu=16:weightb=1:keyint=15:min-keyint=15:scenecut=0:ref=4:pools=none',
      ],
    ],
    samplesPerFragment: 10,
  },
  'HEVC, no rows in parallel, open groups of pictures': {
    encoding: [
      ...[...picture('256x144', 24), '-c:v', 'libx265', '-preset', 'fast', '-qp', '20', '-tag:v', 'hvc1'],
      ...['-pix_fmt', 'yuv420p', '-x265-params'],
      'log-level=none:bframes=3:wpp=0:open-gop=1:keyint=12:min-keyint=12:scenecut=0:temporal-layers=1:pools=none:frame-threads=1',
    ],
    samplesPerFragment: 12,
  },
  'AAC, hundreds of small samples': {
    encoding: [...sound, '-c:a', 'aac', '-b:a', '128k', '-ac', '2'],
    samplesPerFragment: 94,
  },
} as const;
type SourceName = keyof typeof SOURCES;
const NAMES = Object.keys(SOURCES).filter((name): name is SourceName => name in SOURCES);
const CASES = NAMES.flatMap((name) => (['cenc', 'cbcs'] as const).map((scheme) => ({ name, scheme })));

let folder: string;
const media = new Map<SourceName, StoredMedia>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'encryption-'));
  for (const [at, name] of NAMES.entries()) {
    const { encoding, samplesPerFragment } = SOURCES[name];
    media.set(
      name,
      await makeStoredMedia(join(folder, `source-${at}.mp4`), encoding, {
        ordinal: 1, // shaka-packager 3.4.2 crashes at a file whose only track has another id
        samplesPerFragment,
      }),
    );
  }
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(CASES)('$scheme: $name', ({ name, scheme }) => {
  const at = NAMES.indexOf(name);
  const fileOf = (what: string) => join(folder, `${what}-${scheme}-${at}.mp4`);
  const source = (): StoredMedia => {
    const found = media.get(name);
    if (found === undefined) throw new Error(`${name} was not made`);
    return found;
  };
  const encrypted = () => {
    const { track, header, fragments } = source();
    const o = { track, scheme, key: KEY, ivSalt: IV_SALT };
    return {
      header: encryptHeader(header, { ...o, formatIndex: 0, psshBoxes: [] }),
      fragments: fragments.map(({ bytes, entry }) => encryptFragment(bytes, { ...o, entry })),
    };
  };
  const stream = () => (source().track.type === 'video' ? 'v:0' : 'a:0');
  const sourceHashes = () => source().samples.map(({ data }) => createHash('md5').update(data).digest('hex'));

  it('is decrypted by FFmpeg, segment by segment, to the samples of the source', async () => {
    const { header, fragments } = encrypted();
    const hashes: string[] = [];
    for (const fragment of fragments) {
      await writeFile(fileOf('segment'), Buffer.concat([header, fragment]));
      const packets = await packetsOf(fileOf('segment'), stream(), '-decryption_key', KEY_HEX);
      hashes.push(...packets.map(({ md5 }) => md5));
    }
    expect(hashes).toEqual(sourceHashes());
  });

  it('is decrypted by shaka-packager to the samples of the source', async () => {
    const { header, fragments } = encrypted();
    await writeFile(fileOf('encrypted'), Buffer.concat([header, ...fragments]));
    await shakaPackager(
      `in=${fileOf('encrypted')},stream=${source().track.type},output=${fileOf('decrypted')}`,
      ...['--enable_raw_key_decryption', '--keys', `key_id=${KEY_ID_HEX}:key=${KEY_HEX}`],
    );
    const packets = await packetsOf(fileOf('decrypted'), stream());
    expect(packets.map(({ md5 }) => md5)).toEqual(sourceHashes());
  });

  it('leaves clear what shaka-packager leaves clear', async () => {
    const { header, fragments } = source();
    await writeFile(fileOf('clear'), Buffer.concat([header, ...fragments.map(({ bytes }) => bytes)]));
    await shakaPackager(
      `in=${fileOf('clear')},stream=${source().track.type},output=${fileOf('shaka')}`,
      ...['--enable_raw_key_encryption', '--keys', `key_id=${KEY_ID_HEX}:key=${KEY_HEX}`],
      ...['--protection_scheme', scheme, '--clear_lead', '0', '--iv', '0011223344556677'],
    );
    const theirs = subsamplesOf([await readFile(fileOf('shaka'))], scheme);
    const ours = subsamplesOf(encrypted().fragments, scheme);
    // Sound in `cbcs` has nothing to tell of a sample: they write an empty box, we none.
    const expected =
      scheme === 'cbcs' && stream() === 'a:0' ? theirs.filter((ranges) => ranges !== '') : theirs;
    expect(ours).toEqual(expected);
  });
});

/** Of each sample the encrypted ranges, `start+size`; a range without a whole block is none. */
function subsamplesOf(files: readonly Uint8Array[], scheme: 'cenc' | 'cbcs'): string[] {
  const moofs = files.flatMap((file) =>
    readBoxes(file)
      .filter(({ type }) => type === 'moof')
      .map(({ offset, sizeBytes }) => file.subarray(offset, offset + sizeBytes)),
  );
  return moofs.flatMap((moof) =>
    (readSampleInformation(moof, scheme === 'cenc' ? 8 : 0) ?? []).map(({ subsamples }) => {
      let at = 0;
      const ranges = (subsamples ?? []).map(({ clearBytes, protectedBytes }) => {
        const start = at + clearBytes;
        at = start + protectedBytes;
        return protectedBytes < 16 ? '' : `${start}+${protectedBytes}`;
      });
      return ranges.filter((range) => range !== '').join(' ');
    }),
  );
}
