import type { FFmpegFailure } from '../ffmpeg/failure.ts';
import type { JobError } from '../resources/encoding/job.ts';

const MESSAGE_LENGTH_MAX = 500;
const DETAIL_LENGTH_MAX = 2048;

/** Ends an output: what `error` says is shown to whoever owns the job. */
export class JobFailure extends Error {
  readonly code = 'JobFailure';
  readonly error: JobError;
  constructor(error: JobError, options?: ErrorOptions) {
    super(error.message, options);
    this.name = 'JobFailure';
    this.error = error;
  }
}

/** Reference §5.6: what each code belongs to, and whether the same job may succeed later. */
const CODES = {
  ServiceError: { category: 'Service', retry: 'MayRetry' },
  ServiceTransientError: { category: 'Service', retry: 'MayRetry' },
  DownloadNotAccessible: { category: 'Download', retry: 'DoNotRetry' },
  DownloadTransientError: { category: 'Download', retry: 'MayRetry' },
  UploadNotAccessible: { category: 'Upload', retry: 'DoNotRetry' },
  UploadTransientError: { category: 'Upload', retry: 'MayRetry' },
  ConfigurationUnsupported: { category: 'Configuration', retry: 'DoNotRetry' },
  ContentMalformed: { category: 'Content', retry: 'DoNotRetry' },
  ContentUnsupported: { category: 'Content', retry: 'DoNotRetry' },
  IdentityUnsupported: { category: 'Account', retry: 'DoNotRetry' },
} as const satisfies Record<JobError['code'], Pick<JobError, 'category' | 'retry'>>;

/** `evidence`: what a program said of it, cleaned. */
export function jobError(code: JobError['code'], message: string, evidence?: string): JobError {
  const short = message.slice(0, MESSAGE_LENGTH_MAX);
  return {
    code,
    message: short,
    ...CODES[code],
    details: [{ code, message: (evidence ?? short).slice(0, DETAIL_LENGTH_MAX) }],
  };
}

export function jobFailure(code: JobError['code'], message: string, evidence?: string): JobFailure {
  return new JobFailure(jobError(code, message, evidence));
}

const OF_REASON = {
  malformed: ['ContentMalformed', 'The input is damaged, or is not what it says it is.'],
  unsupported: ['ContentUnsupported', 'The input is of a kind that is not supported.'],
  configuration: ['ConfigurationUnsupported', 'The preset asks for what cannot be made of this input.'],
  limit: ['ServiceError', 'The job needs more memory, time or room than the service allows.'],
  resources: ['ServiceTransientError', 'The service ran short of memory or disk space.'],
  unknown: ['ServiceError', 'The encoder failed.'],
} as const satisfies Record<FFmpegFailure['reason'], readonly [JobError['code'], string]>;

/** Why FFmpeg's failure ends the output; `what` is the file or the step, by a name that its owner knows. */
export function failureOfRun({ reason, evidence }: FFmpegFailure, what?: string): JobFailure {
  const [code, message] = OF_REASON[reason];
  return jobFailure(code, what === undefined ? message : `${what}: ${message}`, evidence);
}

/** What storage refuses or does not answer, of an input. */
export function downloadFailure(error: unknown, name: string): JobFailure {
  return codeOf(error) === 'BlobTransient'
    ? jobFailure('DownloadTransientError', `'${name}' could not be read: the storage did not answer in time.`)
    : jobFailure('DownloadNotAccessible', `'${name}' could not be read: the storage refuses it.`);
}

export function uploadFailure(error: unknown): JobFailure {
  return codeOf(error) === 'BlobTransient'
    ? jobFailure(
        'UploadTransientError',
        'The output could not be written: the storage did not answer in time.',
      )
    : jobFailure('UploadNotAccessible', 'The output could not be written: the storage refuses it.');
}

/** Errors of the blob port: `BlobTransient` (tried for long enough) or `BlobRefused`. */
export function isBlobError(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'BlobTransient' || code === 'BlobRefused';
}

const codeOf = (error: unknown): unknown => Reflect.get(Object(error), 'code');
