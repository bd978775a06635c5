import { AssetRecord } from '../resources/asset.ts';
import * as jobs from '../resources/encoding/job.ts';
import type { JobDispatch } from '../resources/encoding/job-dispatch.ts';
import { isFinal } from '../resources/encoding/job-state.ts';
import { ArmError, armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import { assetKey } from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import { cancelJob } from './job-cancellation.ts';
import { readJobCounts, totalOf } from './job-counts.ts';
import { enqueueJob } from './job-enqueuing.ts';
import { changedJob, createdJob, findDispatch, findJob, JOBS, removedJob } from './job-rows.ts';
import { answerList } from './list-pages.ts';
import { findTransform, getTransform } from './transform-rows.ts';

const PATH = '/transforms/:transform/jobs/:job';
/** How often a transaction is tried again because others changed a row meanwhile. */
const COMMIT_ATTEMPTS_MAX = 8;

/** Jobs: one use of a transform each. */
export const JOB_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/transforms/:transform/jobs', handle: listJobs },
  { method: 'GET', path: PATH, handle: answerJob },
  { method: 'PUT', path: PATH, handle: createJob },
  { method: 'PATCH', path: PATH, handle: patchJob },
  { method: 'DELETE', path: PATH, handle: deleteJob },
  { method: 'POST', path: `${PATH}/cancelJob`, handle: cancel },
];

const nameOf = ({ params }: ArmRequest) => ({
  transform: params['transform'] ?? '',
  job: params['job'] ?? '',
});

async function listJobs(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getTransform(context, nameOf(request).transform);
  return answerList(context, request, JOBS, {
    parents: [record.name],
    toArm: (job) => jobs.toArmJob(context.scope, job),
  });
}

async function getJob(context: ControlContext, request: ArmRequest) {
  const name = nameOf(request);
  await getTransform(context, name.transform);
  const job = await findJob(context, name);
  if (job === undefined) throw armError('NotFound');
  return job;
}

async function answerJob(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getJob(context, request);
  return { status: 200, body: jobs.toArmJob(context.scope, record) };
}

async function createJob(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = parseName('job', nameOf(request).job);
  const transform = await getTransform(context, nameOf(request).transform);
  const { name: transformName, outputs: transformOutputs } = transform.record;
  if ((await findJob(context, { transform: transformName, job: name })) !== undefined) {
    throw armError('AlreadyExists', { type: 'job', name });
  }
  const body = jobs.parseJobBody(request.body, request.apiVersion, transformOutputs);
  await Promise.all(body.assetNames.map((asset) => checkAsset(context, asset)));
  const { job, plan } = jobs.newJob(body, {
    name,
    transformName,
    transformOutputs,
    caller: request.caller,
    nowIso: nowIso(),
  });
  await commitNewJob(context, job, plan);
  await undoWithoutTransform(context, job, transform.record.created);
  await enqueueJob(context, { transform: transformName, job: name });
  return { status: 201, body: jobs.toArmJob(context.scope, job) };
}

async function checkAsset({ store }: ControlContext, name: string): Promise<void> {
  const row = await store.find(assetKey(name));
  if (row !== undefined && !AssetRecord.parse(row.body).deleting) return;
  throw armError('ReferenceNotFound', { type: 'asset', name });
}

async function commitNewJob(context: ControlContext, job: jobs.JobRecord, plan: jobs.JobPlan): Promise<void> {
  for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt += 1) {
    if (totalOf(await readJobCounts(context.store)) >= context.quotas.jobs) {
      throw armError('QuotaExceeded', { type: 'jobs', reason: String(context.quotas.jobs) });
    }
    if ((await context.store.commit(await createdJob(context, job, plan))) === 'committed') return;
    const { transformName: transform, name } = job;
    if ((await findJob(context, { transform, job: name })) !== undefined) {
      throw armError('AlreadyExists', { type: 'job', name });
    }
  }
  throw armError('TooManyChanges');
}

/** A transform that was deleted since it was read has nobody who would look for this job: it has come too late. */
async function undoWithoutTransform(
  context: ControlContext,
  { transformName: transform, name }: jobs.JobRecord,
  created: string,
): Promise<void> {
  const now = await findTransform(context, transform);
  if (now !== undefined && !now.record.deleting && now.record.created === created) return;
  await cancelJob(context, { transform, job: name }).catch(unlessArmError);
  const job = await findJob(context, { transform, job: name });
  if (job !== undefined && isFinal(job.record.state)) {
    await context.store.commit(await removedJob(context, job.record));
  }
  throw armError('NotFound');
}

function unlessArmError(error: unknown): void {
  if (!(error instanceof ArmError)) throw error;
}

async function patchJob(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const patch = jobs.parseJobPatch(request.body, request.apiVersion);
  for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt += 1) {
    const job = await getJob(context, request);
    const { transformName: transform, name, priority, state } = job.record;
    const next = jobs.updatedJob(job.record, patch, { caller: request.caller, nowIso: nowIso() });
    const dispatch = await findDispatch(context, { transform, job: name });
    // Once a worker has it, its place in the queues is no matter (reference §1.2).
    const isMoved = next.priority !== priority && state === 'Queued' && dispatch !== undefined;
    const changes = await changedJob(
      context,
      job,
      next,
      isMoved ? { old: dispatch, next: unsent(dispatch.record, next.priority) } : undefined,
    );
    if ((await context.store.commit(changes)) === 'conflict') continue;
    if (isMoved) await enqueueJob(context, { transform, job: name });
    return { status: 200, body: jobs.toArmJob(context.scope, next) };
  }
  throw armError('TooManyChanges');
}

function unsent(
  { enqueuedAtMs: _old, ...dispatch }: JobDispatch,
  priority: JobDispatch['priority'],
): JobDispatch {
  return { ...dispatch, priority };
}

async function deleteJob(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt += 1) {
    const job = await findJob(context, nameOf(request));
    if (job === undefined) return { status: 204 };
    const { record } = job;
    if (!isFinal(record.state)) {
      const about = { name: jobs.jobId(context.scope, record), state: record.state, reason: 'Delete' };
      throw armError('JobNotFinal', about);
    }
    if ((await context.store.commit(await removedJob(context, record))) === 'committed')
      return { status: 200 };
  }
  throw armError('TooManyChanges');
}

async function cancel(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getJob(context, request);
  await cancelJob(context, { transform: record.transformName, job: record.name });
  return { status: 200 };
}
