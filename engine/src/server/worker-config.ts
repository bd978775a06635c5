import { availableParallelism, tmpdir } from 'node:os';
import type { Environment, Reader } from './settings-reader.ts';
import { readSpeech, type SpeechConfig } from './speech-config.ts';

export interface WorkerConfig {
  /** Undefined: looked for in `searchPath`. */
  readonly ffmpegPath: string | undefined;
  readonly searchPath: string;
  readonly scratchPath: string;
  /** After so long a silence of a worker, its jobs are anybody's. */
  readonly leaseMs: number;
  /** Of each run of FFmpeg. */
  readonly threads: number;
  readonly memoryBytes: number;
  readonly inputBytesMax: number;
  readonly outputBytesMax: number;
  readonly allowPrivateAddresses: boolean;
  /** Undefined: as planned. */
  readonly partSeconds: number | undefined;
  readonly speech: SpeechConfig;
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const THREADS_MAX = 64;
const THREADS_USUAL_MAX = 16;

export function readWorkerConfig(env: Environment, read: Reader, problems: string[]): WorkerConfig {
  const gib = (name: string, usual: number) => read.integer(name, usual, { min: 1, max: 100_000 }) * GIB;
  return {
    ffmpegPath: env['HEADEND_FFMPEG'] || undefined,
    searchPath: env['PATH'] ?? '',
    scratchPath: read.text('HEADEND_SCRATCH_PATH', tmpdir()),
    leaseMs: read.integer('HEADEND_WORKER_LEASE_MS', 20_000, { min: 2000, max: 600_000 }),
    threads: read.integer('HEADEND_FFMPEG_THREADS', Math.min(THREADS_USUAL_MAX, availableParallelism()), {
      min: 1,
      max: THREADS_MAX,
    }),
    memoryBytes: read.integer('HEADEND_FFMPEG_MEMORY_MIB', 8192, { min: 512, max: 1_000_000 }) * MIB,
    inputBytesMax: gib('HEADEND_JOB_INPUT_GIB_MAX', 260),
    outputBytesMax: gib('HEADEND_JOB_OUTPUT_GIB_MAX', 500),
    allowPrivateAddresses: env['HEADEND_JOB_HTTP_ALLOW_PRIVATE'] === '1',
    partSeconds: env['HEADEND_JOB_PART_SECONDS']
      ? read.integer('HEADEND_JOB_PART_SECONDS', 60, { min: 1, max: 3600 })
      : undefined,
    speech: readSpeech(env, problems),
  };
}
