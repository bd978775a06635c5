import type { JobError, JobPlan, JobRecord, Priority } from '../resources/encoding/job.ts';
import { jobError } from './job-errors.ts';

/** One output of a job. */
export interface EncodingTask {
  readonly transformName: string;
  readonly jobName: string;
  readonly outputIndex: number;
  readonly input: JobPlan['input'];
  readonly preset: JobPlan['tasks'][number]['preset'];
  readonly outputAssetName: string;
  readonly label: string;
  /** When the job was made, as it is shown: a job of the same name that was deleted is another one. */
  readonly jobCreated: string;
  readonly priority: Priority;
}

export interface EncodingControl {
  /** The job is canceled, the worker stops or somebody else has the job: nothing may be written any more. */
  readonly signal: AbortSignal;
  /** 0 to 100, as often as one likes. */
  progress(percent: number): void;
  /** A part of the output has been made, which stays, whoever goes on. Throws if somebody else has the job. */
  advance(): Promise<void>;
  /** Makes sure that nobody else has the job, before something is written that others see; throws if somebody has. */
  confirm(): Promise<void>;
}

/** `undefined` when the output is whole, else why it is not. A throw is a fault of the service. */
export type EncodeResult = JobError | undefined;

export interface Encoder {
  /** May be called again for the same output, after a worker died in the middle. */
  encode(task: EncodingTask, control: EncodingControl): Promise<EncodeResult>;
}

/** What can be done with presets. */
export interface Encoders {
  find(preset: EncodingTask['preset']): Encoder | undefined;
  /** A job has come to its end, however it did: nothing that was kept for it is needed any more. */
  forget?(job: JobRecord): Promise<void>;
}

/** Why an output fails whose preset nothing here can carry out. */
export function withoutEncoder(preset: EncodingTask['preset']): JobError {
  const type = preset['@odata.type'].replace('#Microsoft.Media.', '');
  const name = 'presetName' in preset ? `${type} '${preset.presetName}'` : type;
  return jobError('ConfigurationUnsupported', `This service has no encoder for the preset ${name}.`);
}

/** Why an output fails whose encoder threw, or that several workers died of. */
export const serviceFault = (message: string): JobError => jobError('ServiceError', message);
