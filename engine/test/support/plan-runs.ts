import { mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { EncodingPlan, FFmpegRun } from '../../src/encoding/encoding-plan.ts';
import type { SourceFile } from '../../src/encoding/source.ts';
import { parseProbe } from '../../src/encoding/source-probe.ts';
import { run } from './programs.ts';

/** A file as the planner gets it, to be found in a working folder by its name. */
export async function probeSource(file: string): Promise<SourceFile> {
  const { stdout } = await run(
    'ffprobe',
    '-v',
    'error',
    '-show_format',
    '-show_streams',
    '-of',
    'json',
    file,
  );
  const { size: sizeBytes } = await stat(file);
  const result = parseProbe(JSON.parse(stdout), { name: basename(file), path: basename(file), sizeBytes });
  if (result.kind === 'refused') throw new Error(result.message);
  return result.source;
}

/** A working folder in which the files lie. */
export async function workingFolder(folder: string, files: readonly string[]): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const file of files) await symlink(file, join(folder, basename(file)));
  return folder;
}

/** What a worker does with a plan, without all that makes it safe: one run after the other. */
export async function carryOut(plan: EncodingPlan, folder: string): Promise<void> {
  for (const step of plan.steps) {
    if (step.kind === 'divided') for (const part of step.parts) await runIn(folder, part.run);
    await runIn(folder, step.kind === 'divided' ? step.join : step.run);
  }
}

export async function runIn(folder: string, { arguments: args, texts, writes }: FFmpegRun): Promise<void> {
  for (const { path, text } of texts) await writeFile(join(folder, path), text);
  // FFmpeg knows no working folder; a shell does.
  const shell = [
    '-c',
    'cd "$0" && exec nice ffmpeg -hide_banner -nostdin -loglevel error -y "$@"',
    folder,
    ...args,
  ];
  const { code, stderr } = await run('sh', ...shell);
  if (code !== 0) throw new Error(`${stderr}\n${args.join(' ')}`);
  for (const path of writes) await stat(join(folder, path));
}

export interface ProbedStream {
  readonly codec: string;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly frames: number;
  readonly durationSeconds: number;
  readonly startSeconds: number;
  readonly bitrateBps: number;
}

export async function probeStreams(file: string): Promise<readonly ProbedStream[]> {
  const { stdout } = await run('ffprobe', '-v', 'error', '-show_streams', '-of', 'json', file);
  const { streams }: { streams: readonly Record<string, string>[] } = JSON.parse(stdout);
  return streams.map((stream) => ({
    codec: stream['codec_name'] ?? '',
    width: stream['width'] === undefined ? undefined : Number(stream['width']),
    height: stream['height'] === undefined ? undefined : Number(stream['height']),
    frames: Number(stream['nb_frames'] ?? 0),
    durationSeconds: Number(stream['duration'] ?? 0),
    startSeconds: Number(stream['start_time'] ?? 0),
    bitrateBps: Number(stream['bit_rate'] ?? 0),
  }));
}

/** Time stamps of the pictures in order of their display, in units of the file, and the places of the key frames. */
export async function pictureTimes(file: string) {
  const entries = 'packet=pts,flags';
  const { stdout } = await run(
    'ffprobe',
    '-v',
    'error',
    '-select_streams',
    'v',
    '-show_entries',
    entries,
    '-of',
    'csv=p=0',
    file,
  );
  const packets = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(','))
    .map(([pts, flags = '']) => ({ pts: Number(pts), isKey: flags.startsWith('K') }))
    .toSorted((a, b) => a.pts - b.pts);
  return {
    times: packets.map(({ pts }) => pts),
    keys: packets.flatMap(({ isKey }, at) => (isKey ? [at] : [])),
  };
}

/** How alike two files look, 1 for the same; the second is scaled to the first, and begins at one of its pictures. */
export async function ssim(file: string, other: string, fromFrame = 0): Promise<number> {
  const begun = `[1:v]trim=start_frame=${fromFrame},setpts=N[b]`;
  const graph = `[0:v]setpts=N[a];${begun};[b][a]scale2ref=flags=bicubic[c][d];[d][c]ssim=shortest=1`;
  const { stderr } = await run(
    'ffmpeg',
    '-hide_banner',
    '-nostdin',
    '-i',
    file,
    '-i',
    other,
    '-lavfi',
    graph,
    '-f',
    'null',
    '-',
  );
  return Number(/All:([\d.]+)/.exec(stderr)?.[1] ?? 0);
}
