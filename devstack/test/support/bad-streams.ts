import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ENGINE = fileURLToPath(new URL('../../../engine/dist/engine.mjs', import.meta.url));
const FRAMES_PER_SECOND = 15;
const FLV_HEADER_BYTES = 13;
const TAG_HEADER_BYTES = 11;
const TAG_TRAILER_BYTES = 4;

export interface Recipe {
  readonly size?: string;
  readonly rate?: number;
  readonly keyFrameEvery?: number;
  readonly seconds?: number;
  readonly bitrate?: string;
  readonly codec?: 'libx264' | 'flv1';
  readonly video?: boolean;
  readonly audio?: boolean;
  readonly noise?: boolean;
}

/** A small FLV file: 160 × 90, 15 frames per second, a key frame every second, unless the recipe says otherwise. */
export async function makeStream(file: string, recipe: Recipe = {}): Promise<string> {
  const { size = '160x90', rate = FRAMES_PER_SECOND, seconds = 30, codec = 'libx264' } = recipe;
  const { keyFrameEvery = rate, bitrate = '200k', video = true, audio = true, noise = false } = recipe;
  const picture = `testsrc2=size=${size}:rate=${rate}${noise ? ',noise=alls=100:allf=t' : ''}`;
  const x264 = ['-preset', 'ultrafast', '-keyint_min', `${keyFrameEvery}`, '-sc_threshold', '0'];
  await run('ffmpeg', [
    ...['-y', '-v', 'error', '-nostdin'],
    ...(video ? ['-f', 'lavfi', '-i', picture] : []),
    ...(audio ? ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'] : []),
    ...['-t', `${seconds}`, '-pix_fmt', 'yuv420p', '-c:v', codec, '-g', `${keyFrameEvery}`],
    ...(codec === 'libx264' ? x264 : []),
    ...['-b:v', bitrate, '-maxrate', bitrate, '-bufsize', bitrate, '-c:a', 'aac', '-b:a', '64k'],
    ...['-f', 'flv', file],
  ]);
  return file;
}

interface Tag {
  readonly kind: 'audio' | 'video' | 'script';
  readonly isKeyFrame: boolean;
  readonly atMs: number;
  readonly bytes: Buffer;
}

/** Rewrites an FLV file tag by tag: undefined drops a tag, a number is its new timestamp. */
export async function editStream(
  from: string,
  to: string,
  edit: (tag: Tag) => number | undefined,
): Promise<string> {
  const source = await readFile(from);
  const parts: Buffer[] = [source.subarray(0, FLV_HEADER_BYTES)];
  for (let at = FLV_HEADER_BYTES; at + TAG_HEADER_BYTES <= source.length; ) {
    const length = TAG_HEADER_BYTES + source.readUIntBE(at + 1, 3) + TAG_TRAILER_BYTES;
    const tag = readTag(Buffer.from(source.subarray(at, at + length)));
    at += length;
    const atMs = edit(tag);
    if (atMs === undefined) continue;
    tag.bytes.writeUIntBE(atMs % 0x1000000, 4, 3);
    tag.bytes.writeUInt8(Math.floor(atMs / 0x1000000), 7);
    parts.push(tag.bytes);
  }
  await writeFile(to, Buffer.concat(parts));
  return to;
}

const KINDS: Readonly<Record<number, Tag['kind']>> = { 8: 'audio', 9: 'video', 18: 'script' };

function readTag(bytes: Buffer): Tag {
  const kind = KINDS[bytes.readUInt8(0) % 32] ?? 'script';
  const atMs = bytes.readUIntBE(4, 3) + bytes.readUInt8(7) * 0x1000000;
  // A key frame that is no sequence header.
  const isKeyFrame =
    kind === 'video' && bytes[TAG_HEADER_BYTES] === 0x17 && bytes[TAG_HEADER_BYTES + 1] === 1;
  return { kind, isKeyFrame, atMs, bytes };
}

/** A process that sends until it is stopped, or ends by itself. */
export interface Sender {
  readonly ended: Promise<unknown>;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

function senderOf(child: ChildProcess): Sender {
  const ended = once(child, 'exit');
  return {
    ended,
    signal: (name) => void child.kill(name),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** FFmpeg, which copies a file to an address in real time, again and again. */
export function push(
  file: string,
  url: string,
  options: { before?: string[]; after?: string[] } = {},
): Sender {
  const { before = ['-re'], after = [] } = options;
  const input = ['-stream_loop', '-1', ...before, '-i', file];
  const args = ['-v', 'error', '-nostdin', ...input, '-c', 'copy', ...after, '-f', 'flv', url];
  return senderOf(spawn('ffmpeg', args, { stdio: 'ignore' }));
}

/** Our own publisher, which sends whatever timestamps the file has. */
export function publish(file: string, url: string): Sender {
  const args = [ENGINE, 'publish', '--loop', '--url', url, '--file', file];
  return senderOf(spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'ignore'] }));
}
