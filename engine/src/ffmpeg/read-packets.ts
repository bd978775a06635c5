import type { PacketsOfStreams, PacketTimes } from '../encoding/measured-length.ts';
import { runProgram } from './child-program.ts';
import { LogLines } from './evidence.ts';
import { type FFmpegFailure, failureOf } from './failure.ts';
import type { FFmpegPrograms } from './ffmpeg-programs.ts';
import { type ProbeOptions, probeArguments } from './probe.ts';
import { brokenOff } from './run-ffmpeg.ts';

export type PacketsEnd = { readonly kind: 'read'; readonly streams: PacketsOfStreams } | FFmpegFailure;

export interface PacketsWanted {
  /** Undefined: all of the file, to its end. In the times of the container. */
  readonly window?: { readonly fromSeconds: number; readonly untilSeconds: number };
  readonly sizeBytes: number;
}

const WALL_MS_MIN = 60_000;
/** A disk that is slower is none to encode from. */
const BYTES_PER_MS = 10_000;
const WALL_MS_MAX = 6 * 60 * 60_000;
const PACKET =
  /^packet\|stream_index=(\d{1,4})\|pts_time=(-?\d{1,12}\.\d{1,9})(?:\|duration_time=(\d{1,12}\.\d{1,9}))?/;

/**
 * Reads packets of a file of the working folder, nothing of which is decoded. A file that breaks off is a failure where
 * all of it is read. Throws the signal's reason.
 */
export async function readPackets(
  programs: FFmpegPrograms,
  path: string,
  { window, sizeBytes }: PacketsWanted,
  { folder, bounds, signal }: ProbeOptions,
): Promise<PacketsEnd> {
  const streams = new Map<number, PacketTimes>();
  const lines = new LogLines({ isKept: () => false, onLine: (line) => count(streams, line) });
  const wallMs = Math.min(WALL_MS_MAX, WALL_MS_MIN + sizeBytes / BYTES_PER_MS);
  const interval =
    window === undefined
      ? []
      : ['-read_intervals', `${window.fromSeconds.toFixed(3)}%${window.untilSeconds.toFixed(3)}`];
  const end = await runProgram({
    program: programs.ffprobe,
    arguments: probeArguments(path, [
      ...['-of', 'compact', '-show_entries', 'packet=stream_index,pts_time,duration_time', ...interval],
    ]),
    folder: folder.path,
    confinement: programs.confinement,
    limits: { ...bounds, wallMs, cpuSeconds: wallMs / 1000 },
    signal,
    onOutput: (text) => lines.write(text),
  });
  if (end.code !== 0) return failureOf(end);
  const broken = window === undefined ? brokenOff(end) : undefined;
  return broken ?? { kind: 'read', streams };
}

function count(streams: Map<number, PacketTimes>, line: string): void {
  const [, stream, pts, duration] = PACKET.exec(line) ?? [];
  if (stream === undefined) return;
  const at = Number(pts);
  const end = duration === undefined ? undefined : at + Number(duration);
  const before = streams.get(Number(stream));
  streams.set(Number(stream), {
    count: (before?.count ?? 0) + 1,
    firstSeconds: Math.min(before?.firstSeconds ?? at, at),
    lastSeconds: Math.max(before?.lastSeconds ?? at, at),
    endSeconds: end === undefined ? before?.endSeconds : Math.max(before?.endSeconds ?? end, end),
  });
}
