import { AssetRecord } from '../resources/asset.ts';
import { armError } from '../resources/error-catalogue.ts';
import { assetKey } from '../resources/row-keys.ts';
import type { ControlContext } from './control-context.ts';

/** Throws `NotFound`; an asset that is being deleted is gone. */
export async function getAsset({ store }: ControlContext, name: string) {
  const row = await store.find(assetKey(name));
  const record = row === undefined ? undefined : AssetRecord.parse(row.body);
  if (row === undefined || record === undefined || record.deleting) throw armError('NotFound');
  return { row, record };
}
