import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Box, readBoxes } from '../../src/formats/isobmff/box-reader.ts';
import { TFXD_USER_TYPE } from '../../src/formats/isobmff/sample-flags.ts';
import { ffmpeg } from './programs.ts';

/** How a container of the original service is laid out (reference §2.9 and §3.5). */
export interface ArchiveLayout {
  readonly manifestName: string;
  readonly formats: 'live-fmp4' | 'vod-fmp4' | 'vod-cmaf' | 'll-cmaf';
  /** Added to every time; what an encoder's clock said at the start, in ticks. */
  readonly startTicks: bigint;
  /** `.ismc` with the chunks' times, or none. */
  readonly hasClientManifest: boolean;
}

export interface WrittenTrack {
  readonly type: 'video' | 'audio';
  readonly name: string;
  readonly folder: string;
  readonly bitrateBps: number;
  readonly chunks: readonly { readonly time: bigint; readonly duration: number }[];
  readonly timescale: number;
  /** What was cut into the folder. */
  readonly file: string;
}

const TICKS_PER_SECOND = 10_000_000n;

/** Writes a live archive of the source's picture and sound as the original did: a folder of fragments per track. */
export async function writeOriginalArchive(
  root: string,
  source: string,
  layout: ArchiveLayout,
): Promise<readonly WrittenTrack[]> {
  await mkdir(root, { recursive: true });
  const tracks = [
    await writeTrack(root, source, { ...layout, type: 'video', stream: 'v:0', bitrateBps: 300_000 }),
    await writeTrack(root, source, { ...layout, type: 'audio', stream: 'a:0', bitrateBps: 64_000 }),
  ];
  await writeFile(join(root, `${layout.manifestName}.ism`), serverManifest(tracks, layout));
  if (layout.hasClientManifest) {
    await writeFile(join(root, `${layout.manifestName}.ismc`), clientManifest(tracks));
  }
  return tracks;
}

async function writeTrack(
  root: string,
  source: string,
  track: ArchiveLayout & { type: 'video' | 'audio'; stream: string; bitrateBps: number },
): Promise<WrittenTrack> {
  const { type, bitrateBps, formats } = track;
  const file = join(root, `${type}.tmp.mp4`);
  const cut =
    type === 'video'
      ? ['-movflags', 'frag_keyframe+empty_moov+default_base_moof']
      : ['-movflags', 'empty_moov+default_base_moof', '-frag_duration', '1000000'];
  await ffmpeg(
    '-y',
    '-i',
    source,
    '-map',
    `0:${track.stream}`,
    '-c',
    'copy',
    '-use_editlist',
    '0',
    ...cut,
    '-f',
    'mp4',
    file,
  );
  const bytes = await readFile(file);
  const boxes = readBoxes(bytes);
  const whole = ({ offset, sizeBytes }: Box) => bytes.subarray(offset, offset + sizeBytes);
  const folder = `${type}_${bitrateBps}`;
  await mkdir(join(root, folder), { recursive: true });
  const header = boxes.filter((box) => box.type === 'ftyp' || box.type === 'moov').map(whole);
  await writeFile(join(root, folder, 'header'), Buffer.concat(header));
  const timescale = mediaTimescale(bytes, boxes);
  const start = (track.startTicks * BigInt(timescale)) / TICKS_PER_SECOND;
  const chunks: { time: bigint; duration: number }[] = [];
  const moofs = boxes.filter((box) => box.type === 'moof');
  for (const [at, moof] of moofs.entries()) {
    const mdat = boxes[boxes.indexOf(moof) + 1];
    if (mdat?.type !== 'mdat') throw new Error('FFmpeg wrote a moof without an mdat');
    const time = start + decodeTime(whole(moof));
    const next = moofs[at + 1];
    const duration = next === undefined ? 0 : Number(start + decodeTime(whole(next)) - time);
    const stored = formats.endsWith('cmaf')
      ? Buffer.concat([
          box('styp', Buffer.from('cmfs\0\0\0\0cmfs')),
          withTime(whole(moof), time),
          whole(mdat),
        ])
      : Buffer.concat([withTfxd(whole(moof), time, BigInt(duration)), whole(mdat)]);
    await writeFile(join(root, folder, String(time)), stored);
    chunks.push({ time, duration });
  }
  return { type, name: type, folder, bitrateBps, chunks, timescale, file };
}

function mediaTimescale(bytes: Uint8Array, boxes: readonly Box[]): number {
  const at = Buffer.from(bytes).indexOf('mdhd', boxes.find(({ type }) => type === 'moov')?.offset);
  return Buffer.from(bytes).readUInt32BE(at + 4 + 12);
}

/** FFmpeg writes version 1. */
function decodeTime(moof: Uint8Array): bigint {
  const buffer = Buffer.from(moof);
  return buffer.readBigUInt64BE(buffer.indexOf('tfdt') + 8);
}

function withTime(moof: Uint8Array, time: bigint): Buffer {
  const buffer = Buffer.from(moof);
  buffer.writeBigUInt64BE(time, buffer.indexOf('tfdt') + 8);
  return buffer;
}

/** The box of the time is replaced by the original's: 24 bytes more, which every size and offset has to know. */
function withTfxd(moof: Uint8Array, time: bigint, duration: bigint): Buffer {
  const buffer = Buffer.from(moof);
  const tfdt = buffer.indexOf('tfdt') - 4;
  const tfdtSize = buffer.readUInt32BE(tfdt);
  const times = Buffer.alloc(20);
  times.writeUInt32BE(0x0100_0000, 0);
  times.writeBigUInt64BE(time, 4);
  times.writeBigUInt64BE(duration, 12);
  const tfxd = box('uuid', Buffer.concat([Buffer.from(TFXD_USER_TYPE, 'hex'), times]));
  const grown = tfxd.length - tfdtSize;
  const traf = buffer.indexOf('traf') - 4;
  const trun = buffer.indexOf('trun') - 4;
  buffer.writeUInt32BE(buffer.readUInt32BE(0) + grown, 0);
  buffer.writeUInt32BE(buffer.readUInt32BE(traf) + grown, traf);
  buffer.writeInt32BE(buffer.readInt32BE(trun + 16) + grown, trun + 16);
  return Buffer.concat([buffer.subarray(0, tfdt), buffer.subarray(tfdt + tfdtSize), tfxd]);
}

function box(type: string, body: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(8 + body.length, 0);
  header.write(type, 4, 'latin1');
  return Buffer.concat([header, body]);
}

function serverManifest(tracks: readonly WrittenTrack[], layout: ArchiveLayout): string {
  const elements = tracks.map(
    ({ type, folder, bitrateBps, name }) =>
      `<${type} src="${folder}" systemBitrate="${bitrateBps}" systemLanguage="und"><param name="systemBitrate" value="${bitrateBps}" valuetype="data" /><param name="trackID" value="1" valuetype="data" /><param name="trackName" value="${name}" valuetype="data" /></${type}>`,
  );
  return `<?xml version="1.0" encoding="utf-8"?><smil xmlns="http://www.w3.org/2001/SMIL20/Language"><head><meta name="clientManifestRelativePath" content="${layout.manifestName}.ismc" /><meta name="formats" content="${layout.formats}" /></head><body><switch>${elements.join('')}</switch></body></smil>`;
}

function clientManifest(tracks: readonly WrittenTrack[]): string {
  const streams = tracks.map(({ type, name, bitrateBps, chunks, timescale }) => {
    const list = chunks.map(
      ({ time, duration }, at) =>
        `<c${at === 0 ? ` t="${time}"` : ''}${duration === 0 ? '' : ` d="${duration}"`} />`,
    );
    return `<StreamIndex Type="${type}" Name="${name}" TimeScale="${timescale}" Chunks="${chunks.length}" QualityLevels="1" Url="QualityLevels({bitrate})/Fragments(${name}={start time})"><QualityLevel Index="0" Bitrate="${bitrateBps}" />${list.join('')}</StreamIndex>`;
  });
  return `<?xml version="1.0" encoding="utf-8"?><SmoothStreamingMedia MajorVersion="2" MinorVersion="2" TimeScale="10000000" Duration="0">${streams.join('')}</SmoothStreamingMedia>`;
}
