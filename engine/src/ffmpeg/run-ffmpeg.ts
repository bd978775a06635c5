import { writeFile } from 'node:fs/promises';
import type { FFmpegRun } from '../encoding/encoding-plan.ts';
import { type ProgramEnd, runProgram } from './child-program.ts';
import type { RunLimits } from './confinement.ts';
import { cleanEvidence, LogLines } from './evidence.ts';
import { type FFmpegFailure, failureOf } from './failure.ts';
import type { FFmpegPrograms } from './ffmpeg-programs.ts';
import { runArguments } from './run-arguments.ts';
import type { WorkingFolder } from './working-folder.ts';

export type RunEnd = { readonly kind: 'done' } | FFmpegFailure;

/** What the runs of a process are held to. */
export interface RunBounds {
  readonly memoryBytes: number;
  readonly fileBytes: number;
}

export interface RunOptions {
  readonly folder: WorkingFolder;
  readonly bounds: RunBounds;
  readonly signal: AbortSignal;
  /** From 0 to 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
  /** Makes FFmpeg say what its filters find (`info`), line by line. */
  readonly onLogLine?: ((line: string) => void) | undefined;
}

const WALL_MS_MIN = 2 * 60_000;
/** A machine that needs longer for a second of media is none to encode on. */
const WALL_MS_PER_MEDIA_SECOND = 120_000;
const WALL_MS_MAX = 24 * 60 * 60_000;
/** Cores that a run may keep busy for all of its time. */
const CORES_MAX = 64;
/** What FFmpeg says of files whose end is not there, and goes on as if it were. */
const BROKEN_OFF = /partial file|File ended prematurely|Truncating packet of size|Packet corrupt.*truncated/i;
/** How much may be missing at the end of what is written from an input that FFmpeg complained of. */
const MISSING_SHARE_MAX = 0.02;
const MISSING_SECONDS_MAX = 0.5;

/** How long a run may take, of so many seconds of media. */
export function wallMsOf(durationSeconds: number): number {
  return Math.min(WALL_MS_MAX, WALL_MS_MIN + Math.max(0, durationSeconds) * WALL_MS_PER_MEDIA_SECOND);
}

/**
 * Runs FFmpeg confined in its working folder. Throws the signal's reason, once FFmpeg is gone; and what hinders the
 * service itself, such as a disk that is full.
 */
export async function runFFmpeg(
  programs: FFmpegPrograms,
  run: FFmpegRun,
  { folder, bounds, signal, onProgress, onLogLine }: RunOptions,
): Promise<RunEnd> {
  for (const { path, text } of run.texts) await writeFile(await folder.place(path), text);
  for (const path of run.writes) await folder.place(path);
  const wallMs = wallMsOf(run.durationSeconds);
  const limits: RunLimits = { ...bounds, wallMs, cpuSeconds: (wallMs / 1000) * CORES_MAX };
  let writtenSeconds = 0;
  const progress = new LogLines({
    isKept: () => false,
    onLine: (line) => {
      writtenSeconds = secondsIn(line) ?? writtenSeconds;
      if (run.durationSeconds > 0) onProgress?.(Math.min(1, writtenSeconds / run.durationSeconds));
    },
  });
  const end = await runProgram({
    program: programs.ffmpeg,
    arguments: runArguments(run, onLogLine === undefined ? 'error' : 'info'),
    folder: folder.path,
    confinement: programs.confinement,
    limits,
    signal,
    onOutput: (text) => progress.write(text),
    onLogLine,
    isEvidence: isError,
  });
  if (end.code !== 0) return failureOf(end);
  const broken = brokenOff(end);
  if (broken !== undefined) return broken;
  if (end.logLines > 0 && isCutShort(run.durationSeconds, writtenSeconds)) {
    const evidence = `${cleanEvidence(end.log)}\nOnly ${writtenSeconds} s of ${run.durationSeconds} s could be read.`;
    return { kind: 'failed', reason: 'malformed', evidence };
  }
  onProgress?.(1);
  return { kind: 'done' };
}

/** Of an input that was not there to its end, which FFmpeg did not mind. */
export function brokenOff({ log }: ProgramEnd): FFmpegFailure | undefined {
  return BROKEN_OFF.test(log)
    ? { kind: 'failed', reason: 'malformed', evidence: cleanEvidence(log) }
    : undefined;
}

/** FFmpeg ends in order where an input breaks off, and has only complained of it. */
function isCutShort(wantedSeconds: number, writtenSeconds: number): boolean {
  const missing = wantedSeconds - writtenSeconds;
  return writtenSeconds > 0 && missing > Math.max(MISSING_SECONDS_MAX, wantedSeconds * MISSING_SHARE_MAX);
}

const isError = (line: string): boolean => /\[(?:error|fatal|panic)\]/.test(line);

function secondsIn(line: string): number | undefined {
  const microseconds = /^out_time_us=(\d{1,15})$/.exec(line)?.[1];
  return microseconds === undefined ? undefined : Number(microseconds) / 1e6;
}
