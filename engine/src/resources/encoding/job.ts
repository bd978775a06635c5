import { z } from 'zod';
import * as contract from '../../contract/encoding.ts';
import { type AccountScope, auditRecord, type Caller, newAudit, systemData } from '../account-scope.ts';
import { armError } from '../error-catalogue.ts';
import { parseBody } from '../request-body.ts';
import { refuse } from './field-problem.ts';
import { inputAssetNames, inputProblems, type JobInput, withoutQueries } from './job-input-rules.ts';
import { withDefaults } from './preset-defaults.ts';
import { checkPreset, overlayLabels, type Preset } from './preset-rules.ts';
import { defaultLabel, type TransformOutputRecord } from './transform.ts';

/** Reference §1.5. */
export const JOBS_KEPT_DAYS = 90;
/** Of a job as JSON: it stands in several rows of one transaction of the table. */
const JOB_LENGTH_MAX = 64 * 1024;
/** In every event of a job, of which a transaction may hold some forty. */
const CORRELATION_DATA_LENGTH_MAX = 16 * 1024;

const jobState = z.enum(['Queued', 'Scheduled', 'Processing', 'Canceling', 'Canceled', 'Finished', 'Error']);
export type JobState = z.output<typeof jobState>;

const priority = z.enum(['Low', 'Normal', 'High']);
export type Priority = z.output<typeof priority>;

export const JobError = z.object({
  code: z.enum([
    'ServiceError',
    'ServiceTransientError',
    'DownloadNotAccessible',
    'DownloadTransientError',
    'UploadNotAccessible',
    'UploadTransientError',
    'ConfigurationUnsupported',
    'ContentMalformed',
    'ContentUnsupported',
    'IdentityUnsupported',
  ]),
  message: z.string(),
  category: z.enum(['Service', 'Download', 'Upload', 'Configuration', 'Content', 'Account']),
  retry: z.enum(['DoNotRetry', 'MayRetry']),
  details: z.array(z.object({ code: z.string(), message: z.string() })),
});
export type JobError = z.output<typeof JobError>;

const JobOutputRecord = z.object({
  assetName: z.string(),
  label: z.string(),
  state: jobState,
  progress: z.number(),
  error: JobError.optional(),
  presetOverride: contract.Preset.optional(),
  startTime: z.string().optional(),
  endTime: z.string().optional(),
});
export type JobOutputRecord = z.output<typeof JobOutputRecord>;

export const JobRecord = z.object({
  ...auditRecord,
  transformName: z.string(),
  state: jobState,
  description: z.string().optional(),
  /** As it is shown: without query strings. */
  input: contract.JobInput,
  outputs: z.array(JobOutputRecord),
  priority,
  correlationData: z.record(z.string(), z.string()),
  startTime: z.string().optional(),
  endTime: z.string().optional(),
});
export type JobRecord = z.output<typeof JobRecord>;

/** What is to be done for one output, as it was asked for when the job was made. */
const JobTask = z.object({
  onError: z.enum(['StopProcessingJob', 'ContinueJob']),
  relativePriority: priority,
  preset: contract.Preset,
});
export type JobTask = z.output<typeof JobTask>;

/** What a worker needs beyond what is shown; kept until the job has ended. */
export const JobPlan = z.object({
  /** With query strings, unless those are sealed. */
  input: contract.JobInput,
  /** The whole input as JSON, as it is stored when it has query strings: they may be signatures. */
  sealed: z.string().optional(),
  /** One for each output of the job. */
  tasks: z.array(JobTask),
});
export type JobPlan = z.output<typeof JobPlan>;

type JobProperties = z.output<typeof contract.JobProperties>;

export interface JobBody {
  readonly properties: JobProperties;
  readonly input: JobInput;
  /** Without letter case doubled; all of them have to be there. */
  readonly assetNames: readonly string[];
}

/** The body of a PUT against the outputs of its transform; throws what the service refuses. */
export function parseJobBody(
  body: unknown,
  apiVersion: string,
  transformOutputs: readonly TransformOutputRecord[],
): JobBody {
  const properties = parseBody(contract.Job, body, apiVersion).properties;
  if (properties == null) throw armError('InvalidField', { field: 'properties', reason: 'it is required' });
  const { outputs } = properties;
  if (outputs.length !== transformOutputs.length) {
    const reason = `it has ${outputs.length} items, the transform has ${transformOutputs.length} outputs`;
    throw armError('InvalidField', { field: 'properties.outputs', reason });
  }
  const presets = transformOutputs.map((output, index) => presetOf(output, outputs[index], index));
  const input = withDefaults(properties.input);
  refuse(inputProblems(input, presets.flatMap(overlayLabels)));
  checkCorrelationData(properties.correlationData ?? {});
  const assetNames = [...inputAssetNames(input), ...outputs.map(({ assetName }) => assetName)];
  return {
    properties,
    input,
    assetNames: [...new Map(assetNames.map((n) => [n.toLowerCase(), n])).values()],
  };
}

/** An override is of the type that it overrides (reference §5.2). */
function presetOf(
  transformOutput: TransformOutputRecord,
  output: JobProperties['outputs'][number] | undefined,
  index: number,
): Preset {
  const override = output?.presetOverride;
  if (override == null) return transformOutput.preset;
  const field = `properties.outputs[${index}].presetOverride`;
  const wanted = transformOutput.preset['@odata.type'];
  if (override['@odata.type'] !== wanted) {
    const reason = `${override['@odata.type']} does not override ${wanted} of the transform`;
    throw armError('InvalidField', { field, reason });
  }
  checkPreset(override, field);
  return override;
}

function checkCorrelationData(data: Readonly<Record<string, string>>): void {
  const { length } = JSON.stringify(data);
  if (length <= CORRELATION_DATA_LENGTH_MAX) return;
  const reason = `its JSON has ${length} characters, at most ${CORRELATION_DATA_LENGTH_MAX} are allowed`;
  throw armError('InvalidField', { field: 'properties.correlationData', reason });
}

interface NewJob {
  readonly name: string;
  readonly transformName: string;
  readonly transformOutputs: readonly TransformOutputRecord[];
  readonly caller: Caller;
  readonly nowIso: string;
}

/** Throws when the job is too large to be kept. */
export function newJob({ properties, input }: JobBody, fresh: NewJob): { job: JobRecord; plan: JobPlan } {
  const outputs = fresh.transformOutputs.map(({ preset }, index): JobOutputRecord => {
    const sent = properties.outputs[index];
    return {
      assetName: sent?.assetName ?? '',
      label: sent?.label || defaultLabel(preset, index),
      state: 'Queued',
      progress: 0,
      ...(sent?.presetOverride == null ? {} : { presetOverride: withDefaults(sent.presetOverride) }),
    };
  });
  const job: JobRecord = {
    name: fresh.name,
    transformName: fresh.transformName,
    ...newAudit(fresh.caller, fresh.nowIso),
    state: 'Queued',
    ...(properties.description == null ? {} : { description: properties.description }),
    input: withoutQueries(input),
    outputs,
    priority: properties.priority ?? 'Normal',
    correlationData: properties.correlationData ?? {},
  };
  const { length } = JSON.stringify(job);
  if (length > JOB_LENGTH_MAX) {
    const reason = `the JSON of the job has ${length} characters, at most ${JOB_LENGTH_MAX} are allowed`;
    throw armError('InvalidField', { field: 'properties', reason });
  }
  const tasks = fresh.transformOutputs.map((output, index) => ({
    ...output,
    preset: outputs[index]?.presetOverride ?? output.preset,
  }));
  return { job, plan: { input, tasks } };
}

/** A PATCH: description and priority, whatever else was sent (reference §1.2). */
export interface JobPatch {
  readonly description?: string | null;
  readonly priority?: Priority;
}

export function parseJobPatch(body: unknown, apiVersion: string): JobPatch {
  const properties = parseBody(contract.JobPatch, body, apiVersion).properties;
  return {
    ...(properties?.description === undefined ? {} : { description: properties.description }),
    ...(properties?.priority == null ? {} : { priority: properties.priority }),
  };
}

export function updatedJob(
  record: JobRecord,
  patch: JobPatch,
  by: { readonly caller: Caller; readonly nowIso: string },
): JobRecord {
  const { description: old, ...rest } = record;
  const description = patch.description === undefined ? old : patch.description;
  return {
    ...rest,
    lastModified: by.nowIso,
    lastModifiedBy: by.caller.id,
    ...(description == null ? {} : { description }),
    priority: patch.priority ?? record.priority,
  };
}

export const jobId = (scope: AccountScope, job: Pick<JobRecord, 'name' | 'transformName'>): string =>
  `${scope.accountId}/transforms/${job.transformName}/jobs/${job.name}`;

export function toArmJob(scope: AccountScope, record: JobRecord): object {
  const { name, transformName: _parent, createdBy: _by, lastModifiedBy: _lastBy, ...shown } = record;
  return {
    name,
    id: jobId(scope, record),
    type: 'Microsoft.Media/mediaservices/transforms/jobs',
    properties: {
      ...shown,
      outputs: record.outputs.map((output) => ({
        '@odata.type': '#Microsoft.Media.JobOutputAsset',
        ...output,
      })),
    },
    systemData: systemData(record),
  };
}
