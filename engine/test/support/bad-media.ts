import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import { ffmpeg } from './programs.ts';

export interface BadFile {
  readonly name: string;
  readonly bytes: Buffer;
  /** Codes that its job may end with; `Finished` where what is left of it may be enough. */
  readonly ends: readonly string[];
}

const MALFORMED = ['ContentMalformed'];
const UNSUPPORTED = ['ContentUnsupported'];
const CONTENT = [...MALFORMED, ...UNSUPPORTED];

/** Inputs that nobody should send: some of each kind, and mutations of good files up to `count` in all. */
export async function makeBadFiles(folder: string, count: number): Promise<readonly BadFile[]> {
  const good = await makeGoodFiles(folder);
  const [mp4 = Buffer.alloc(0)] = good;
  const named: BadFile[] = [
    { name: 'zero.mp4', bytes: Buffer.alloc(0), ends: MALFORMED },
    { name: 'zeros.mp4', bytes: Buffer.alloc(100_000), ends: CONTENT },
    { name: 'noise.mp4', bytes: noise(200_000, 1), ends: CONTENT },
    { name: 'text.mp4', bytes: Buffer.from('this is no video\n'.repeat(200)), ends: CONTENT },
    { name: 'no-moov.mp4', bytes: mp4.subarray(0, mp4.length - 8000), ends: MALFORMED },
    { name: 'half.mp4', bytes: half(good[1]), ends: MALFORMED },
    { name: 'header.mp4', bytes: mp4.subarray(0, 32), ends: CONTENT },
    playlist('list.mp4', "ffconcat version 1.0\nfile '/etc/passwd'\nduration 10\n"),
    playlist('local.m3u8', hls('file:///etc/passwd')),
    playlist('remote.m3u8', hls('http://169.254.169.254/latest/meta-data/')),
    playlist('hidden.mp4', hls('concat:/etc/passwd|/etc/hosts')),
    playlist('dash.mpd', '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>'),
    playlist(
      'words.ass',
      '[Script Info]\nScriptType: v4.00+\n[Events]\nDialogue: 0,0:00:00.00,9:59:59.99,,,,,,,x\n',
    ),
    { name: 'bomb.png', bytes: hugePng(30_000, 30_000), ends: CONTENT },
    { name: 'vast.mp4', bytes: await vastVideo(folder), ends: CONTENT },
    { name: 'endless.mp4', bytes: endless(mp4), ends: CONTENT },
    { name: 'script.html', bytes: Buffer.from('<html><script>alert(1)</script></html>'), ends: CONTENT },
  ];
  const mutations = Array.from({ length: Math.max(0, count - named.length) }, (_, index): BadFile => {
    const source = good[index % good.length] ?? mp4;
    const seed = index + 100;
    return index % 3 === 0
      ? { name: `cut-${index}.bin`, bytes: cut(source, seed), ends: [...CONTENT, 'Finished'] }
      : { name: `mutated-${index}.bin`, bytes: mutate(source, seed), ends: [...CONTENT, 'Finished'] };
  });
  return [...named, ...mutations].slice(0, count);
}

const playlist = (name: string, text: string): BadFile => ({ name, bytes: Buffer.from(text), ends: CONTENT });
const hls = (address: string): string =>
  `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${address}\n#EXT-X-ENDLIST\n`;

/** An MP4 with its index at the end, one with it in front, MPEG-TS, Matroska, MP3 and JPEG. */
async function makeGoodFiles(folder: string): Promise<readonly Buffer[]> {
  const source = ['-y', '-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=3'];
  const sound = ['-f', 'lavfi', '-i', 'sine=duration=3'];
  const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-c:a', 'aac', '-shortest'];
  const make = async (name: string, ...options: string[]): Promise<Buffer> => {
    await ffmpeg(...source, ...sound, ...codecs, ...options, `${folder}/${name}`);
    return readFile(`${folder}/${name}`);
  };
  return Promise.all([
    make('good.mp4'),
    make('front.mp4', '-movflags', '+faststart'),
    make('good.ts'),
    make('good.mkv'),
    make('fragments.mp4', '-movflags', '+frag_keyframe+empty_moov'),
    make('good.mp3', '-vn', '-c:a', 'libmp3lame'),
  ]);
}

/** Reproducible: the same numbers for the same seed. */
function random(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) >>> 0;
    return state / 2 ** 32;
  };
}

function noise(length: number, seed: number): Buffer {
  const next = random(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(next() * 256)));
}

const half = (bytes: Buffer | undefined): Buffer =>
  (bytes ?? Buffer.alloc(1)).subarray(0, (bytes?.length ?? 2) / 2);

function cut(bytes: Buffer, seed: number): Buffer {
  return bytes.subarray(0, Math.floor(bytes.length * random(seed)()));
}

function mutate(bytes: Buffer, seed: number): Buffer {
  const next = random(seed);
  const changed = Buffer.from(bytes);
  const changes = 1 + Math.floor(next() * 200);
  // Half of them in the first kilobytes, where lengths and counts are.
  for (let index = 0; index < changes; index += 1) {
    const reach = index % 2 === 0 ? Math.min(2048, changed.length) : changed.length;
    changed[Math.floor(next() * reach)] = Math.floor(next() * 256);
  }
  return changed;
}

/** Much memory for its few bytes, if anybody believed it. */
function hugePng(width: number, height: number): Buffer {
  const chunk = (type: string, body: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(body.length);
    head.write(type, 4, 'latin1');
    const tail = Buffer.alloc(4);
    tail.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), body])));
    return Buffer.concat([head, body, tail]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc(10_000_000));
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** A video that says of itself, in its sequence header, that it has 16000 × 16000 pixels. */
async function vastVideo(folder: string): Promise<Buffer> {
  const file = `${folder}/vast.mp4`;
  await ffmpeg(
    ...['-y', '-f', 'lavfi', '-i', 'color=black:size=16000x16000:rate=1:duration=1'],
    ...['-c:v', 'mjpeg', '-q:v', '31', '-pix_fmt', 'yuvj420p', file],
  );
  return readFile(file);
}

/** Its movie and media headers say that it lasts for years. */
function endless(mp4: Buffer): Buffer {
  const changed = Buffer.from(mp4);
  for (const [type, offset] of [
    ['mvhd', 20],
    ['mdhd', 20],
    ['tkhd', 24],
  ] as const) {
    for (let at = changed.indexOf(type); at >= 0; at = changed.indexOf(type, at + 4)) {
      changed.writeUInt32BE(0xfffffff0, at + offset);
    }
  }
  // One sample that lasts as long as one can.
  for (let at = changed.indexOf('stts'); at >= 0; at = changed.indexOf('stts', at + 4)) {
    changed.writeUInt32BE(0x7fffffff, at + 16);
  }
  return changed;
}
