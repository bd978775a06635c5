import { MediaFilterRecord } from '../resources/media-filter.ts';
import { resourcePrefix } from '../resources/row-keys.ts';
import type { HeadendTable } from './headend-table.ts';

/** As many as an account, or an asset, can be allowed to have. */
const FILTERS_MAX = 1000;

/** The filters of an account, or of one of its assets. */
export async function readMediaFilters(
  table: HeadendTable,
  assetName: string | undefined,
): Promise<readonly MediaFilterRecord[]> {
  const prefix =
    assetName === undefined ? resourcePrefix('accountfilter') : resourcePrefix('assetfilter', [assetName]);
  const rows = await table.list(prefix, { limit: FILTERS_MAX });
  return rows.map(({ body }) => MediaFilterRecord.parse(body));
}
