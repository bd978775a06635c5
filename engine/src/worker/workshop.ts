import type { ControlStore } from '../control-plane/control-store.ts';
import type { FFmpegFound, FFmpegPrograms } from '../ffmpeg/ffmpeg-programs.ts';
import type { RunBounds } from '../ffmpeg/run-ffmpeg.ts';
import type { JobMessage } from '../resources/encoding/job-dispatch.ts';
import type { RecognizerFound } from '../speech/find-recognizer.ts';
import type { InputCache } from './input-cache.ts';
import type { JobBlobs } from './job-blobs.ts';
import { jobFailure } from './job-errors.ts';
import type { Recordings } from './recordings.ts';

/** What is the same for all accounts of a worker process. */
export interface WorkerTools {
  readonly blobs: JobBlobs;
  readonly recordings: Recordings;
  readonly ffmpeg: FFmpegFound;
  readonly speech: RecognizerFound;
  readonly cache: InputCache;
  readonly settings: WorkshopSettings;
  readonly log: {
    info(event: string, fields?: object): void;
    warn(event: string, fields?: object): void;
  };
}

export interface WorkshopSettings {
  /** Where working folders are made. */
  readonly scratchPath: string;
  /** Of each run of FFmpeg. */
  readonly threads: number;
  readonly bounds: RunBounds;
  /** Of one file of an input. */
  readonly inputBytesMax: number;
  /** Of all files of an output. */
  readonly outputBytesMax: number;
  /** Whether inputs may be fetched from addresses that are not of the open network. */
  readonly allowPrivateAddresses: boolean;
  /** After so long a silence of a worker the part that it has is anybody's. */
  readonly leaseMs: number;
  /** How long the parts of long inputs are, about; undefined: as the planner sees fit. */
  readonly partSeconds: number | undefined;
}

/** What encoders of one account are made with. */
export interface Workshop extends WorkerTools {
  readonly account: string;
  readonly store: ControlStore;
  readonly queue: { send(message: JobMessage): Promise<void> };
}

/** Throws `JobFailure` where there is no FFmpeg. */
export function ffmpegOf({ ffmpeg }: Pick<WorkerTools, 'ffmpeg'>): FFmpegPrograms {
  if (ffmpeg.kind === 'found') return ffmpeg.programs;
  throw jobFailure('ServiceError', `This service cannot encode: ${ffmpeg.reason}`);
}
