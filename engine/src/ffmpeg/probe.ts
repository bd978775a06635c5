import { runProgram } from './child-program.ts';
import type { RunLimits } from './confinement.ts';
import { type FFmpegFailure, failureOf } from './failure.ts';
import type { FFmpegPrograms } from './ffmpeg-programs.ts';
import { ALLOCATION_GUARD, inputGuard } from './run-arguments.ts';
import type { RunBounds } from './run-ffmpeg.ts';
import type { WorkingFolder } from './working-folder.ts';

export type ProbeEnd = { readonly kind: 'found'; readonly json: unknown } | FFmpegFailure;

const WALL_MS_MAX = 60_000;
const JSON_LENGTH_MAX = 4 * 1024 * 1024;
/** How far it looks for what a file is: sound of transport streams may come late. */
const PROBE_BYTES_MAX = 32 * 1024 * 1024;
const PROBE_MICROSECONDS_MAX = 30_000_000;

export interface ProbeOptions {
  readonly folder: WorkingFolder;
  readonly bounds: RunBounds;
  readonly signal: AbortSignal;
}

/** What `ffprobe` says of a file of the working folder (`-show_format -show_streams`). Throws the signal's reason. */
export async function probe(
  programs: FFmpegPrograms,
  path: string,
  { folder, bounds, signal }: ProbeOptions,
): Promise<ProbeEnd> {
  const limits: RunLimits = { ...bounds, wallMs: WALL_MS_MAX, cpuSeconds: WALL_MS_MAX / 1000 };
  let output = '';
  const end = await runProgram({
    program: programs.ffprobe,
    arguments: probeArguments(path, ['-of', 'json', '-show_format', '-show_streams']),
    folder: folder.path,
    confinement: programs.confinement,
    limits,
    signal,
    onOutput: (text) => {
      if (output.length < JSON_LENGTH_MAX) output += text;
    },
  });
  if (end.code !== 0) return failureOf(end);
  const json = parseJson(output);
  return json === undefined ? failureOf({ ...end, code: 1 }) : { kind: 'found', json };
}

/** The whole command line of `ffprobe` but for the program, with what it is to show. */
export function probeArguments(path: string, show: readonly string[]): readonly string[] {
  return [
    ...['-hide_banner', '-loglevel', 'level+error', ...show],
    ...['-probesize', String(PROBE_BYTES_MAX), '-analyzeduration', String(PROBE_MICROSECONDS_MAX)],
    ...ALLOCATION_GUARD,
    ...inputGuard(),
    ...['-i', path],
  ];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
