import { mkdir } from 'node:fs/promises';
import { ffmpeg, run } from './programs.ts';

/** A source with B-frames, a key frame each second, one stereo sound track: 320×180, 25 fps. */
export async function makeSource(folder: string, name: string, seconds: number): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = `${folder}/${name}`;
  await ffmpeg(
    ...['-y', '-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${seconds}`],
    ...['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '25', '-keyint_min', '25'],
    ...['-sc_threshold', '0', '-b:v', '300k', '-maxrate', '300k', '-bufsize', '300k'],
    ...['-c:a', 'aac', '-b:a', '64k', '-ac', '2', file],
  );
  return file;
}

export interface Packet {
  readonly dtsTicks: number;
  readonly ptsTicks: number;
  readonly sizeBytes: number;
  readonly md5: string;
}

/** What FFmpeg reads of one stream of a file without decoding it, times in ticks of 100 ns. */
export async function packetsOf(file: string, stream: 'v:0' | 'a:0', ...input: string[]): Promise<Packet[]> {
  const { stdout: text } = await run(
    'ffmpeg',
    ...['-hide_banner', '-nostdin', '-loglevel', 'error'],
    ...[...input, '-copyts', '-i', file, '-map', `0:${stream}`, '-c', 'copy'],
    ...['-f', 'framehash', '-hash', 'md5', '-'],
  );
  const [, numerator, denominator] = /^#tb 0: (\d+)\/(\d+)$/m.exec(text) ?? [];
  const ticksPerUnit = (Number(numerator) * 10_000_000) / Number(denominator);
  const lines = text.split('\n').filter((line) => /^\d/.test(line));
  return lines.map((line) => {
    const [, dts, pts, , size, md5 = ''] = line.split(',').map((field) => field.trim());
    const ticks = (units: string | undefined) => Math.round(Number(units) * ticksPerUnit);
    return { dtsTicks: ticks(dts), ptsTicks: ticks(pts), sizeBytes: Number(size), md5 };
  });
}
