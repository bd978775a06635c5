import { armError } from '../resources/error-catalogue.ts';
import { READ_AT_ONCE_MAX } from '../resources/quotas.ts';
import { prefixes, streamingPolicyKey } from '../resources/row-keys.ts';
import {
  findPredefinedPolicy,
  type StreamingPolicy,
  StreamingPolicyRecord,
} from '../resources/streaming-policy.ts';
import { type Collection, nameField } from './collection.ts';
import type { ControlContext } from './control-context.ts';
import type { StoredRow } from './control-store.ts';

const ALL_OPERATORS = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const;
const nameOf = ({ name }: StreamingPolicy): string => name;

/** Reference §1.4; there are so few that lists read all of them. */
export const STREAMING_POLICIES: Collection<StreamingPolicy | StreamingPolicyRecord> = {
  kind: 'streamingpolicy',
  version: 1,
  parse: (body) => StreamingPolicyRecord.parse(body),
  nameOf,
  fields: {
    name: { ...nameField(nameOf, ALL_OPERATORS), isIndexed: false },
    'properties/created': {
      type: 'dateTime',
      operators: ALL_OPERATORS,
      orderable: true,
      isIndexed: false,
      read: ({ created }) => created,
    },
  },
};

type Rows = Pick<ControlContext, 'store'>;

/** One of the account's own. */
export async function findOwnPolicy(
  { store }: Rows,
  name: string,
): Promise<{ readonly row: StoredRow; readonly record: StreamingPolicyRecord } | undefined> {
  const row = await store.find(streamingPolicyKey(name));
  return row === undefined ? undefined : { row, record: StreamingPolicyRecord.parse(row.body) };
}

/** A predefined policy or one of the account's own. */
export async function findStreamingPolicy(
  rows: Rows,
  name: string,
): Promise<StreamingPolicy | StreamingPolicyRecord | undefined> {
  return findPredefinedPolicy(name) ?? (await findOwnPolicy(rows, name))?.record;
}

/** Throws `ReferenceNotFound`. */
export async function getNamedPolicy(
  rows: Rows,
  name: string,
): Promise<StreamingPolicy | StreamingPolicyRecord> {
  const policy = await findStreamingPolicy(rows, name);
  if (policy === undefined) throw armError('ReferenceNotFound', { type: 'streaming policy', name });
  return policy;
}

export async function ownPolicies({ store }: Rows): Promise<readonly StreamingPolicyRecord[]> {
  const rows = await store.list(prefixes.streamingPolicies, { limit: READ_AT_ONCE_MAX });
  return rows.map((row) => StreamingPolicyRecord.parse(row.body));
}
