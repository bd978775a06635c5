import {
  type ContentKeyPolicyParts,
  ContentKeyPolicyRecord,
  parseSecretOptions,
  writeSecretOptions,
} from '../resources/content-key-policy.ts';
import { armError } from '../resources/error-catalogue.ts';
import { contentKeyPolicySecretsKey, namePart, resourcePrefix } from '../resources/row-keys.ts';
import { type Collection, nameField } from './collection.ts';
import type { ControlContext } from './control-context.ts';
import type { RowChange, StoredRow } from './control-store.ts';

const ALL_OPERATORS = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const;
const nameOf = ({ name }: ContentKeyPolicyRecord): string => name;

/** Reference §1.4. */
export const CONTENT_KEY_POLICIES: Collection<ContentKeyPolicyRecord> = {
  kind: 'contentkeypolicy',
  version: 1,
  parse: (body) => ContentKeyPolicyRecord.parse(body),
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
    'properties/lastModified': {
      type: 'dateTime',
      operators: ALL_OPERATORS,
      orderable: true,
      isIndexed: true,
      read: ({ lastModified }) => lastModified,
    },
    'properties/description': {
      type: 'string',
      operators: ALL_OPERATORS,
      orderable: false,
      isNullable: true,
      isIndexed: true,
      read: ({ description }) => description,
    },
    'properties/policyId': {
      type: 'guid',
      operators: ['eq', 'ne'],
      orderable: false,
      isUnique: true,
      isIndexed: true,
      read: ({ policyId }) => policyId,
    },
  },
};

type Rows = Pick<ControlContext, 'store'>;
type SealedRows = Pick<ControlContext, 'store' | 'sealer'>;

export interface StoredContentKeyPolicy {
  readonly row: StoredRow;
  readonly record: ContentKeyPolicyRecord;
}

export async function findContentKeyPolicy(
  { store }: Rows,
  name: string,
): Promise<StoredContentKeyPolicy | undefined> {
  const row = await store.find(resourcePrefix(CONTENT_KEY_POLICIES.kind) + namePart(name));
  return row === undefined ? undefined : { row, record: ContentKeyPolicyRecord.parse(row.body) };
}

/** Throws `ReferenceNotFound` for the first of the names that is nobody's. */
export async function checkContentKeyPolicies(rows: Rows, names: readonly string[]): Promise<void> {
  const found = await Promise.all(names.map((name) => findContentKeyPolicy(rows, name)));
  const missing = names.find((_name, index) => found[index] === undefined);
  if (missing !== undefined) {
    throw armError('ReferenceNotFound', { type: 'content key policy', name: missing });
  }
}

/** With its secrets. `conflict` when it is changed or deleted at this moment. */
export async function openContentKeyPolicy(
  { store, sealer }: SealedRows,
  { record }: StoredContentKeyPolicy,
): Promise<ContentKeyPolicyParts | 'conflict'> {
  const rowKey = contentKeyPolicySecretsKey(record.name);
  const row = await store.find(rowKey);
  if (row === undefined) return 'conflict';
  const secretOptions = parseSecretOptions(sealer.open(sealedOf(row.body), rowKey));
  // Both rows are of one transaction; options with other ids are of a later one.
  const isSame = secretOptions.every(
    ({ policyOptionId }, index) => policyOptionId === record.options[index]?.policyOptionId,
  );
  return isSame ? { record, secretOptions } : 'conflict';
}

export function sealedOf(body: unknown): string {
  return String(Reflect.get(Object(body), 'sealed'));
}

/** The row of the secrets, beside those of the policy itself. */
export function secretsChange(
  { sealer }: Pick<ControlContext, 'sealer'>,
  parts: ContentKeyPolicyParts,
): RowChange {
  const rowKey = contentKeyPolicySecretsKey(parts.record.name);
  const sealed = sealer.seal(writeSecretOptions(parts.secretOptions), rowKey);
  return { kind: 'upsert', rowKey, body: { sealed } };
}
