import { AssetTrackRecord } from '../resources/asset-track.ts';
import { foldName } from '../resources/names.ts';
import { namePart, resourcePrefix } from '../resources/row-keys.ts';
import type { ManifestTrack, ManifestTracks } from '../resources/track-files.ts';
import type { StoredRow } from './control-store.ts';

const KIND = 'assettrack';

export const assetTrackPrefix = (assetName: string): string => resourcePrefix(KIND, [assetName]);
export const assetTrackKey = (assetName: string, name: string): string =>
  assetTrackPrefix(assetName) + namePart(name);

export interface StoredTrack {
  readonly row: StoredRow;
  readonly record: AssetTrackRecord;
}

export async function findStoredTrack(
  store: { find(rowKey: string): Promise<StoredRow | undefined> },
  rowKey: string,
): Promise<StoredTrack | undefined> {
  const row = await store.find(rowKey);
  return row === undefined ? undefined : { row, record: AssetTrackRecord.parse(row.body) };
}

/** The track of that name in the asset's server manifest. */
export const findListed = (manifest: ManifestTracks | undefined, name: string): ManifestTrack | undefined =>
  manifest?.tracks.find((track) => foldName(track.name) === foldName(name));
