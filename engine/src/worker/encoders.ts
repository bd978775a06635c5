import type { JobError, JobPlan } from '../resources/encoding/job.ts';

/** One output of a job. */
export interface EncodingTask {
  readonly transformName: string;
  readonly jobName: string;
  readonly outputIndex: number;
  readonly input: JobPlan['input'];
  readonly preset: JobPlan['tasks'][number]['preset'];
  readonly outputAssetName: string;
  readonly label: string;
}

export interface EncodingControl {
  /** The job is canceled, the worker stops or somebody else has the job: nothing may be written any more. */
  readonly signal: AbortSignal;
  /** 0 to 100, as often as one likes. */
  progress(percent: number): void;
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
}

/** There is none yet. */
export const NO_ENCODERS: Encoders = { find: () => undefined };

/** Why an output fails whose preset nothing here can carry out. */
export function withoutEncoder(preset: EncodingTask['preset']): JobError {
  const type = preset['@odata.type'].replace('#Microsoft.Media.', '');
  const name = 'presetName' in preset ? `${type} '${preset.presetName}'` : type;
  const message = `This service has no encoder for the preset ${name}.`;
  return {
    code: 'ConfigurationUnsupported',
    message,
    category: 'Configuration',
    retry: 'DoNotRetry',
    details: [{ code: 'ConfigurationUnsupported', message }],
  };
}

/** Why an output fails whose encoder threw, or that several workers died of. */
export function serviceFault(message: string): JobError {
  return {
    code: 'ServiceError',
    message,
    category: 'Service',
    retry: 'MayRetry',
    details: [{ code: 'ServiceError', message }],
  };
}
