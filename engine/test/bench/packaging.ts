import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blockCiphers, useNodeCiphers } from '../../src/encryption/block-cipher.ts';
import { encryptFragment } from '../../src/encryption/fragment-encryption.ts';
import { encryptHeader } from '../../src/encryption/header-encryption.ts';
import { segmentIv } from '../../src/encryption/initialization-vector.ts';
import { encryptSegment, encryptSegmentOf } from '../../src/encryption/segment-encryption.ts';
import { writeFragment } from '../../src/formats/isobmff/fragment-writer.ts';
import { planTsSegment, type TsSegmentToWrite } from '../../src/formats/mpegts/segment-writer.ts';
import { isVideoFormat } from '../../src/model/track.ts';
import { run } from '../support/programs.ts';
import { SHAKA_PACKAGER } from '../support/shaka-packager.ts';
import { makeStoredMedia, type StoredMedia } from '../support/stored-media.ts';
import { isInstalled } from './wrk.ts';

const ROUNDS = 5;
const ROUND_SECONDS = 0.6;
/** Of the file that everybody encrypts: six seconds each. */
const FILE_FRAGMENTS = 24;
/** What MPEG-TS is handed on in. */
const TS_PIECE_BYTES = 64 * 1024;
const KEY = { id: '01234567-89ab-cdef-0123-456789abcdef', value: randomBytes(16) };
const IV_SALT = randomBytes(8);
const SCHEMES = ['cenc', 'cbcs'] as const;

interface Mode {
  readonly name: string;
  readonly sizeBytes: number;
  readonly work: () => unknown;
  readonly target?: string;
  /** What the cipher is to be compared with. */
  readonly raw?: RawCipher;
}

interface RawCipher {
  readonly algorithm: 'aes-128-cbc' | 'aes-128-ctr';
  readonly blockBytes: number;
}

/** What one core packages in a second, by processor time; and what others need for the same file. */
export async function benchPackaging(): Promise<string> {
  if (!(await isInstalled('ffmpeg'))) return 'packaging: not measured, ffmpeg is not installed';
  const folder = await mkdtemp(join(tmpdir(), 'packaging-'));
  try {
    const picture = 'testsrc2=size=1920x1080:rate=30:duration=6,noise=alls=12:allf=t';
    const video = await makeStoredMedia(
      join(folder, 'video.mp4'),
      [
        ...['-f', 'lavfi', '-i', picture, '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '60', '-bf', '2'],
        ...['-b:v', '6040k', '-maxrate', '6040k', '-bufsize', '6M', '-pix_fmt', 'yuv420p'],
      ],
      { ordinal: 1, samplesPerFragment: 1000 },
    );
    const audio = await makeStoredMedia(
      join(folder, 'audio.mp4'),
      [
        '-f',
        'lavfi',
        '-i',
        'anoisesrc=sample_rate=48000:duration=6',
        '-c:a',
        'aac',
        '-b:a',
        '128k',
        '-ac',
        '2',
      ],
      { ordinal: 2, samplesPerFragment: 1000 },
    );
    const rates = await rateRows(modesOf(video, audio));
    return [...rates, '', ...(await offlineRows(folder, video))].join('\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function modesOf(video: StoredMedia, audio: StoredMedia): Mode[] {
  // As an origin does that knows when a buffer is no longer used.
  const used = new Uint8Array(16 * 1024 * 1024).fill(1);
  const allocate = () => used;
  const sampleModes = SCHEMES.flatMap((scheme) =>
    [video, audio].map(({ track, fragments: [fragment] }): Mode => {
      const { bytes, entry } = present(fragment);
      const o = { track, entry, scheme, key: KEY, ivSalt: IV_SALT, allocate };
      return {
        name: `${scheme}, ${track.type}, ${entry.sampleCount} samples in ${bytes.length} bytes`,
        sizeBytes: bytes.length,
        work: () => encryptFragment(bytes, o),
        target: track.type === 'video' ? '1600' : '500',
        raw: {
          algorithm: scheme === 'cenc' ? 'aes-128-ctr' : 'aes-128-cbc',
          blockBytes: 16 * Math.floor(bytes.length / entry.sampleCount / 16),
        },
      };
    }),
  );
  const { bytes, entry } = present(video.fragments[0]);
  const iv = segmentIv({ track: video.track, entry, ivSalt: IV_SALT });
  return [
    {
      name: `AES-128, whole segment of ${bytes.length} bytes`,
      sizeBytes: bytes.length,
      work: () => encryptSegment([bytes], { key: KEY, iv, allocate }),
      target: '0.8 × raw',
      raw: { algorithm: 'aes-128-cbc', blockBytes: bytes.length - (bytes.length % 16) },
    },
    ...sampleModes,
    ...tsModes(video, audio, allocate),
  ];
}

/** Picture and sound of six seconds in one segment. */
function tsModes(video: StoredMedia, audio: StoredMedia, allocate: () => Uint8Array): Mode[] {
  const [picture] = video.track.formats;
  const [sound] = audio.track.formats;
  if (picture === undefined || !isVideoFormat(picture) || sound?.kind !== 'aac') throw new Error('no format');
  const { bytes, entry } = present(video.fragments[0]);
  const heard = present(audio.fragments[0]).bytes;
  const segment: TsSegmentToWrite = {
    number: 1,
    video: [{ format: picture, bytes }],
    audio: [{ format: sound, bytes: heard }],
  };
  const iv = segmentIv({ track: video.track, entry, ivSalt: IV_SALT });
  const sizeBytes = bytes.length + heard.length;
  return [
    {
      name: `MPEG-TS of ${sizeBytes} bytes`,
      sizeBytes,
      work: () => writeSegment(segment, allocate()),
      target: '2000',
    },
    {
      name: 'MPEG-TS, into memory fresh from the system',
      sizeBytes,
      work: () => writeSegment(segment, Buffer.allocUnsafeSlow(planTsSegment(segment).sizeBytes)),
    },
    {
      name: 'MPEG-TS and AES-128',
      sizeBytes,
      work: () => {
        const planned = planTsSegment(segment);
        return encryptSegmentOf(planned.sizeBytes, { key: KEY, iv, allocate }, planned.write);
      },
      target: '750',
      raw: { algorithm: 'aes-128-cbc', blockBytes: TS_PIECE_BYTES },
    },
    {
      name: 'MPEG-TS of sound alone',
      sizeBytes: heard.length,
      work: () => writeSegment({ ...segment, video: [] }, allocate()),
    },
  ];
}

function writeSegment(segment: TsSegmentToWrite, output: Uint8Array): void {
  let at = 0;
  planTsSegment(segment).write((packets) => {
    output.set(packets, at);
    at += packets.length;
  });
}

/** MB/s of `openssl speed`, by processor time. */
async function opensslSpeed({ algorithm, blockBytes }: RawCipher): Promise<number> {
  const size = ['-bytes', String(blockBytes), '-seconds', '1'];
  const { code, stdout, stderr } = await run('openssl', 'speed', ...size, '-evp', algorithm);
  const [, kilobytes] = /([\d.]+)k\s*$/.exec(stdout) ?? [];
  if (code !== 0 || kilobytes === undefined) throw new Error(`openssl speed ended with ${code}: ${stderr}`);
  return Number(kilobytes) / 1e3;
}

/** In turns, so that a slow minute of the machine is everybody's; then by node:crypto, which is what is fallen back to. */
async function rateRows(modes: readonly Mode[]): Promise<string[]> {
  const ciphers = blockCiphers();
  const rates = modes.map((): number[] => []);
  const raws = modes.map((): number[] => []);
  for (const mode of modes) rateOf(mode); // until it is compiled
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, mode] of modes.entries()) {
      rates[at]?.push(rateOf(mode));
      if (mode.raw !== undefined) raws[at]?.push(await opensslSpeed(mode.raw));
    }
  }
  useNodeCiphers();
  const fallbacks = modes.map((mode) => (mode.raw === undefined ? undefined : rateOf(mode)));
  return [
    `| packaging, one core, MB/s by processor time (in brackets the best of ${ROUNDS} rounds) | by ${ciphers} | openssl speed, same blocks | ratio | target | by node:crypto |`,
    '|---|---|---|---|---|---|',
    ...modes.map(({ name, target, raw }, at) => {
      const rate = medianOf(rates[at]);
      const rawRate = medianOf(raws[at]);
      const best = Math.max(...(rates[at] ?? []));
      const rawCells =
        raw === undefined
          ? '— | —'
          : `${rawRate.toFixed(0)} (${raw.algorithm}, ${raw.blockBytes}) | ${(rate / rawRate).toFixed(2)}`;
      return `| ${name} | ${rate.toFixed(0)} (${best.toFixed(0)}) | ${rawCells} | ${target ?? '—'} | ${fallbacks[at]?.toFixed(0) ?? '—'} |`;
    }),
  ];
}

function medianOf(measured: readonly number[] = []): number {
  return measured.toSorted((a, b) => a - b)[Math.floor(measured.length / 2)] ?? Number.NaN;
}

function rateOf({ sizeBytes, work }: Mode): number {
  const before = process.cpuUsage();
  let done = 0;
  for (;;) {
    for (let turn = 0; turn < 4; turn += 1) work();
    done += 4;
    const { user, system } = process.cpuUsage(before);
    const microseconds = user + system;
    if (microseconds > ROUND_SECONDS * 1e6) return (done * sizeBytes) / microseconds;
  }
}

/** The same file read, encrypted and written. */
async function offlineRows(folder: string, video: StoredMedia): Promise<string[]> {
  const clear = join(folder, 'clear.mp4');
  const { fragments, bytes } = longFile(video);
  await writeFile(clear, bytes);
  const rows = [
    `| ${(bytes.length / 1e6).toFixed(0)} MB from file to file, processor seconds | engine | shaka-packager | ffmpeg |`,
    '|---|---|---|---|',
  ];
  for (const scheme of SCHEMES) {
    const times: { ours: number[]; shaka: number[]; ffmpeg: number[] } = { ours: [], shaka: [], ffmpeg: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      times.ours.push(await engineSeconds(folder, { video, fragments, scheme }));
      times.shaka.push(await shakaSeconds(folder, scheme));
      if (scheme === 'cenc') times.ffmpeg.push(await ffmpegSeconds(folder));
    }
    const cell = (seconds: readonly number[]) =>
      seconds.map((value) => value.toFixed(2)).join(' / ') || 'cannot';
    rows.push(`| ${scheme} | ${cell(times.ours)} | ${cell(times.shaka)} | ${cell(times.ffmpeg)} |`);
  }
  return rows;
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly entry: { readonly formatIndex: 0; readonly firstSample: number; readonly sampleCount: number };
}

function longFile({ track, header, samples }: StoredMedia): { fragments: Piece[]; bytes: Uint8Array } {
  const durationTicks = samples.reduce((sum, sample) => sum + sample.durationTicks, 0);
  const pieces: Uint8Array[] = [header];
  const fragments: Piece[] = [];
  let start = header.length;
  for (let sequence = 0; sequence < FILE_FRAGMENTS; sequence += 1) {
    const decodeTimeTicks = sequence * durationTicks;
    const { head, payload, sizeBytes } = writeFragment({ track, sequence, decodeTimeTicks, samples });
    pieces.push(head, ...payload);
    const entry = {
      formatIndex: 0,
      firstSample: sequence * samples.length,
      sampleCount: samples.length,
    } as const;
    fragments.push({ start, end: start + sizeBytes, entry });
    start += sizeBytes;
  }
  return { fragments, bytes: Buffer.concat(pieces) };
}

async function engineSeconds(
  folder: string,
  o: { readonly video: StoredMedia; readonly fragments: readonly Piece[]; readonly scheme: 'cenc' | 'cbcs' },
): Promise<number> {
  const { track, header } = o.video;
  const before = process.cpuUsage();
  const file = await readFile(join(folder, 'clear.mp4'));
  const protection = { track, scheme: o.scheme, key: KEY, ivSalt: IV_SALT };
  const encrypted = o.fragments.map(({ start, end, entry }) =>
    encryptFragment(file.subarray(start, end), { ...protection, entry }),
  );
  const head = encryptHeader(header, { ...protection, formatIndex: 0, psshBoxes: [] });
  await writeFile(join(folder, 'engine.mp4'), [head, ...encrypted]);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function shakaSeconds(folder: string, scheme: 'cenc' | 'cbcs'): Promise<number> {
  const [input, output] = [join(folder, 'clear.mp4'), join(folder, 'shaka.mp4')];
  const keys = `key_id=${KEY.id.replaceAll('-', '')}:key=${KEY.value.toString('hex')}`;
  return secondsOf([
    ...[
      SHAKA_PACKAGER,
      '--quiet',
      `in=${input},stream=video,output=${output}`,
      '--enable_raw_key_encryption',
    ],
    ...['--keys', keys, '--protection_scheme', scheme, '--clear_lead', '0'],
  ]);
}

function ffmpegSeconds(folder: string): Promise<number> {
  return secondsOf([
    ...['ffmpeg', '-v', 'error', '-nostdin', '-y', '-i', join(folder, 'clear.mp4'), '-c', 'copy'],
    ...['-encryption_scheme', 'cenc-aes-ctr', '-encryption_key', KEY.value.toString('hex')],
    ...['-encryption_kid', KEY.id.replaceAll('-', ''), join(folder, 'ffmpeg.mp4')],
  ]);
}

/** Processor time of a program, user and system. */
async function secondsOf(command: readonly string[]): Promise<number> {
  const { code, stderr } = await run('bash', '-c', 'TIMEFORMAT="%U %S"; time "$@"', 'time', ...command);
  const [, user, system] = /([\d.]+) ([\d.]+)\s*$/.exec(stderr) ?? [];
  if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${stderr}`);
  return Number(user) + Number(system);
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing was made');
  return value;
}
