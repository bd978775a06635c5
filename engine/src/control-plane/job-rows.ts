import { type JobPlan, JobRecord } from '../resources/encoding/job.ts';
import { JobDispatch } from '../resources/encoding/job-dispatch.ts';
import { jobEvents } from '../resources/encoding/job-events.ts';
import { canceled, isFinal } from '../resources/encoding/job-state.ts';
import { endedJobKey, jobDispatchKey, jobPlanKey, namePart, resourcePrefix } from '../resources/row-keys.ts';
import { type Collection, createChanges, deleteChanges, nameField, replaceChanges } from './collection.ts';
import type { ControlEvents, ControlStore, RowChange, StoredRow } from './control-store.ts';
import { countChange } from './job-counts.ts';
import { sealedPlan } from './job-plans.ts';
import type { SecretSealer } from './sealed-secrets.ts';

/** Reference §1.4. */
export const JOBS: Collection<JobRecord> = {
  kind: 'job',
  version: 1,
  parse: (body) => JobRecord.parse(body),
  nameOf: ({ name }) => name,
  parentsOf: ({ transformName }) => [transformName],
  fields: {
    name: nameField(({ name }) => name, ['eq']),
    'properties/state': {
      type: 'enum',
      enumType: 'Microsoft.Media.JobState',
      values: ['Queued', 'Scheduled', 'Processing', 'Canceling', 'Canceled', 'Finished', 'Error'],
      operators: ['eq', 'ne'],
      orderable: false,
      isIndexed: true,
      read: ({ state }) => state,
    },
    'properties/created': {
      type: 'dateTime',
      operators: ['gt', 'ge', 'lt', 'le'],
      orderable: true,
      isIndexed: true,
      read: ({ created }) => created,
    },
    'properties/lastModified': {
      type: 'dateTime',
      operators: ['gt', 'ge', 'lt', 'le'],
      orderable: true,
      isIndexed: true,
      read: ({ lastModified }) => lastModified,
    },
  },
};

export interface JobRowsDeps {
  readonly store: ControlStore;
  readonly events: ControlEvents;
}

export interface StoredJob {
  readonly row: StoredRow;
  readonly record: JobRecord;
}

export interface StoredDispatch {
  readonly row: StoredRow;
  readonly record: JobDispatch;
}

interface JobName {
  readonly transform: string;
  readonly job: string;
}

export async function findJob(
  { store }: Pick<JobRowsDeps, 'store'>,
  { transform, job }: JobName,
): Promise<StoredJob | undefined> {
  const row = await store.find(resourcePrefix(JOBS.kind, [transform]) + namePart(job));
  return row === undefined ? undefined : { row, record: JobRecord.parse(row.body) };
}

export async function findDispatch(
  { store }: Pick<JobRowsDeps, 'store'>,
  { transform, job }: JobName,
): Promise<StoredDispatch | undefined> {
  const row = await store.find(jobDispatchKey(transform, job));
  return row === undefined ? undefined : { row, record: JobDispatch.parse(row.body) };
}

/** A new job, what has to be done for it, and its count. A conflict: its name is taken, or count again. */
export async function createdJob(
  deps: JobRowsDeps & { readonly sealer: Pick<SecretSealer, 'seal'> },
  job: JobRecord,
  plan: JobPlan,
): Promise<RowChange[]> {
  const { transformName: transform, name } = job;
  const planKey = jobPlanKey(transform, name);
  const dispatch: JobDispatch = {
    transform,
    job: name,
    priority: job.priority,
    createdMs: Date.parse(job.created),
    epoch: 0,
    attempts: 0,
    cancelRequested: false,
  };
  return [
    ...createChanges(JOBS, job),
    { kind: 'create', rowKey: jobDispatchKey(transform, name), body: dispatch },
    { kind: 'create', rowKey: planKey, body: sealedPlan(deps.sealer, plan, planKey) },
    ...(await countChange(deps.store, undefined, job.state)),
  ];
}

/**
 * The job as it is now with its index rows, its count and the events that tell of the change. With a final state what
 * workers need goes; until then `dispatch` says what they shall know.
 */
export async function changedJob(
  deps: JobRowsDeps,
  job: StoredJob,
  next: JobRecord,
  dispatch: { readonly old: StoredDispatch; readonly next: JobDispatch } | undefined,
): Promise<RowChange[]> {
  return [
    ...replaceChanges(JOBS, job.row, next),
    ...(await countChange(deps.store, job.record.state, next.state)),
    ...dispatchChanges(next, dispatch),
    ...jobEvents(job.record, next).map((event) => deps.events.change(event)),
  ];
}

function dispatchChanges(
  next: JobRecord,
  dispatch: { readonly old: StoredDispatch; readonly next: JobDispatch } | undefined,
): RowChange[] {
  if (!isFinal(next.state))
    return dispatch === undefined ? [] : [replacedDispatch(dispatch.old, dispatch.next)];
  const { transformName: transform, name } = next;
  return [
    { kind: 'delete', rowKey: jobDispatchKey(transform, name) },
    { kind: 'delete', rowKey: jobPlanKey(transform, name) },
    { kind: 'upsert', rowKey: endedKeyOf(next), body: { transform, job: name } },
  ];
}

export function replacedDispatch({ row }: StoredDispatch, next: JobDispatch): RowChange {
  return { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: next };
}

/** A job in a final state goes with all its rows. A conflict: it is gone, or count again. */
export async function removedJob(deps: JobRowsDeps, job: JobRecord): Promise<RowChange[]> {
  return [
    ...deleteChanges(JOBS, job),
    { kind: 'delete', rowKey: endedKeyOf(job) },
    ...(await countChange(deps.store, job.state, undefined)),
  ];
}

const endedKeyOf = ({ created, transformName, name }: JobRecord): string =>
  endedJobKey({ createdMs: Date.parse(created), transform: transformName, name });

/** A job that is `Canceling` and that no worker has comes to its end. */
export async function commitCanceled(deps: JobRowsDeps, job: StoredJob, nowIso: string): Promise<boolean> {
  const changes = await changedJob(deps, job, canceled(job.record, nowIso), undefined);
  if ((await deps.store.commit(changes)) === 'conflict') return false;
  deps.events.wake();
  return true;
}
