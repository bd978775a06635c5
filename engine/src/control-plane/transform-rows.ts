import { isFinal } from '../resources/encoding/job-state.ts';
import { TransformRecord } from '../resources/encoding/transform.ts';
import { ArmError, armError } from '../resources/error-catalogue.ts';
import { namePart, resourcePrefix } from '../resources/row-keys.ts';
import { type Collection, nameField } from './collection.ts';
import type { ControlContext } from './control-context.ts';
import type { StoredRow } from './control-store.ts';
import { cancelJob } from './job-cancellation.ts';
import { findJob, JOBS, removedJob } from './job-rows.ts';

/** Reference §1.4; there are so few that lists read all of them. */
export const TRANSFORMS: Collection<TransformRecord> = {
  kind: 'transform',
  version: 1,
  parse: (body) => TransformRecord.parse(body),
  nameOf: ({ name }) => name,
  isHidden: ({ deleting }) => deleting,
  fields: {
    name: nameField(({ name }) => name, ['eq']),
    'properties/created': {
      type: 'dateTime',
      operators: ['gt', 'ge', 'lt', 'le'],
      orderable: true,
      isIndexed: false,
      read: ({ created }) => created,
    },
    'properties/lastModified': {
      type: 'dateTime',
      operators: ['gt', 'ge', 'lt', 'le'],
      orderable: true,
      isIndexed: false,
      read: ({ lastModified }) => lastModified,
    },
  },
};

type RemovalContext = Pick<ControlContext, 'store' | 'events' | 'scope'>;

export interface StoredTransform {
  readonly row: StoredRow;
  readonly record: TransformRecord;
}

const transformKey = (name: string): string => resourcePrefix(TRANSFORMS.kind) + namePart(name);

/** One that is being deleted as well. */
export async function findTransform(
  { store }: Pick<ControlContext, 'store'>,
  name: string,
): Promise<StoredTransform | undefined> {
  const row = await store.find(transformKey(name));
  return row === undefined ? undefined : { row, record: TransformRecord.parse(row.body) };
}

/** Throws `NotFound`; a transform that is being deleted is gone. */
export async function getTransform(
  context: Pick<ControlContext, 'store'>,
  name: string,
): Promise<StoredTransform> {
  const found = await findTransform(context, name);
  if (found === undefined || found.record.deleting) throw armError('NotFound');
  return found;
}

/** Of one removal; the upkeep goes on with what is left. */
const JOBS_REMOVED_MAX = 200;
const JOBS_PER_READ = 50;

/**
 * Removes the jobs of a transform that is marked as being deleted, and then the transform: those that have not ended are
 * canceled first. False when there are more, or when a worker still has one.
 */
export async function removeTransform(
  context: RemovalContext,
  { row, record }: StoredTransform,
): Promise<boolean> {
  const prefix = resourcePrefix(JOBS.kind, [record.name]);
  for (let removed = 0; removed < JOBS_REMOVED_MAX; removed += JOBS_PER_READ) {
    const rows = await context.store.list(prefix, { limit: JOBS_PER_READ });
    if (rows.length === 0) {
      // A conflict: somebody else was faster, and it may be there anew.
      await context.store.commit([{ kind: 'delete', rowKey: row.rowKey, etag: row.etag }]);
      return true;
    }
    let left = 0;
    for (const { body } of rows) {
      const job = JOBS.parse(body);
      left += (await removeJob(context, { transform: record.name, job: job.name })) ? 0 : 1;
    }
    if (left > 0) return false;
  }
  return false;
}

async function removeJob(
  context: RemovalContext,
  name: { readonly transform: string; readonly job: string },
): Promise<boolean> {
  const found = await findJob(context, name);
  if (found === undefined) return true;
  if (!isFinal(found.record.state)) await cancelUnlessEnded(context, name);
  const ended = await findJob(context, name);
  if (ended === undefined) return true;
  if (!isFinal(ended.record.state)) return false;
  return (await context.store.commit(await removedJob(context, ended.record))) === 'committed';
}

async function cancelUnlessEnded(
  context: RemovalContext,
  name: { readonly transform: string; readonly job: string },
): Promise<void> {
  try {
    await cancelJob(context, name);
  } catch (error) {
    if (!(error instanceof ArmError)) throw error;
  }
}
