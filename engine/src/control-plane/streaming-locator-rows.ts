import { READ_AT_ONCE_MAX } from '../resources/quotas.ts';
import {
  locatorIdKey,
  locatorOfAssetKey,
  locatorOfPolicyKey,
  prefixes,
  streamingLocatorKey,
} from '../resources/row-keys.ts';
import { StreamingLocatorRecord } from '../resources/streaming-locator.ts';
import { findPredefinedPolicy } from '../resources/streaming-policy.ts';
import { type Collection, createChanges, deleteChanges, nameField } from './collection.ts';
import { untilCommitted } from './commit-attempts.ts';
import { forgetUnusedKeys, releasedKeyChanges } from './content-key-rows.ts';
import type { ControlContext } from './control-context.ts';
import type { RowChange } from './control-store.ts';

const ALL_OPERATORS = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const;
const nameOf = ({ name }: StreamingLocatorRecord): string => name;

/** Reference §1.4. */
export const STREAMING_LOCATORS: Collection<StreamingLocatorRecord> = {
  kind: 'streaminglocator',
  version: 1,
  parse: (body) => StreamingLocatorRecord.parse(body),
  nameOf,
  fields: {
    name: nameField(nameOf, ALL_OPERATORS),
    'properties/created': {
      type: 'dateTime',
      operators: ALL_OPERATORS,
      orderable: true,
      isIndexed: true,
      read: ({ created }) => created,
    },
    'properties/endTime': {
      type: 'dateTime',
      operators: ALL_OPERATORS,
      orderable: true,
      isIndexed: true,
      read: ({ endTime }) => endTime,
    },
  },
};

type Rows = Pick<ControlContext, 'store'>;

export async function findLocator(
  { store }: Rows,
  name: string,
): Promise<StreamingLocatorRecord | undefined> {
  const row = await store.find(streamingLocatorKey(name));
  return row === undefined ? undefined : StreamingLocatorRecord.parse(row.body);
}

/** One storage request, for as many as an asset may have. */
export async function countLocatorsOf({ store }: Rows, asset: string): Promise<number> {
  return (await store.list(prefixes.locatorsOfAsset(asset), { limit: READ_AT_ONCE_MAX })).length;
}

export async function locatorsOf({ store }: Rows, asset: string): Promise<readonly StreamingLocatorRecord[]> {
  const rows = await store.list(prefixes.locatorsOfAsset(asset), { limit: READ_AT_ONCE_MAX });
  const names = rows.map((row) => String(Reflect.get(Object(row.body), 'name')));
  const records = await Promise.all(names.map((name) => findLocator({ store }, name)));
  return records.filter((record) => record !== undefined);
}

/** The rows of a new locator, without those of its keys. */
export function newLocatorChanges(record: StreamingLocatorRecord): readonly RowChange[] {
  return [
    ...createChanges(STREAMING_LOCATORS, record),
    ...pointerKeys(record).map(
      (rowKey) => ({ kind: 'create', rowKey, body: { name: record.name } }) as const,
    ),
  ];
}

function pointerKeys({ name, assetName, streamingLocatorId, streamingPolicyName }: StreamingLocatorRecord) {
  return [
    locatorIdKey(streamingLocatorId),
    locatorOfAssetKey(assetName, name),
    // Nobody asks who uses a predefined policy.
    ...(findPredefinedPolicy(streamingPolicyName) === undefined
      ? [locatorOfPolicyKey(streamingPolicyName, name)]
      : []),
  ];
}

/** With its rows and the keys that no other locator uses; answers whether it was there. */
export async function removeLocator(
  context: Pick<ControlContext, 'store' | 'sealer'>,
  name: string,
): Promise<boolean> {
  const { store } = context;
  const removed = await untilCommitted(async () => {
    const record = await findLocator(context, name);
    if (record === undefined) return undefined;
    const ids = record.contentKeys.map(({ id }) => id);
    const result = await store.commit([
      ...deleteChanges(STREAMING_LOCATORS, record),
      ...pointerKeys(record).map((rowKey) => ({ kind: 'delete', rowKey }) as const),
      ...(await releasedKeyChanges(context, record.name, ids)),
    ]);
    return result === 'conflict' ? result : ids;
  });
  if (removed === undefined) return false;
  await forgetUnusedKeys(context, removed);
  return true;
}
