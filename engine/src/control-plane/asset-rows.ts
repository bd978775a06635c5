import { AssetRecord } from '../resources/asset.ts';
import { armError } from '../resources/error-catalogue.ts';
import { assetKey } from '../resources/row-keys.ts';
import { type Collection, nameField } from './collection.ts';
import type { ControlContext } from './control-context.ts';
import type { StoredRow } from './control-store.ts';

const nameOf = (record: AssetRecord): string => record.name;

/** Reference §1.4. */
export const ASSETS: Collection<AssetRecord> = {
  kind: 'asset',
  version: 1,
  parse: (body) => AssetRecord.parse(body),
  nameOf,
  isHidden: ({ deleting }) => deleting,
  fields: {
    name: nameField(nameOf, ['eq', 'gt', 'ge', 'lt', 'le']),
    'properties/assetId': {
      type: 'guid',
      operators: ['eq'],
      orderable: false,
      isIndexed: true,
      isUnique: true,
      read: ({ assetId }) => assetId,
    },
    'properties/alternateId': {
      type: 'string',
      operators: ['eq'],
      orderable: false,
      isIndexed: true,
      isNullable: true,
      read: ({ alternateId }) => alternateId,
    },
    'properties/created': {
      type: 'dateTime',
      operators: ['eq', 'gt', 'lt'],
      orderable: true,
      isIndexed: true,
      read: ({ created }) => created,
    },
  },
};

/** Throws `NotFound`; an asset that is being deleted is gone. */
export async function getAsset({ store }: Pick<ControlContext, 'store'>, name: string) {
  return assetIn(await store.find(assetKey(name)));
}

/** Throws `NotFound` as well: for a row that somebody has read already. */
export function assetIn(row: StoredRow | undefined) {
  const record = row === undefined ? undefined : AssetRecord.parse(row.body);
  if (row === undefined || record === undefined || record.deleting) throw armError('NotFound');
  return { row, record };
}
