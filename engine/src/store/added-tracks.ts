import { createHash } from 'node:crypto';
import type { AssetLocatorView } from '../delivery/delivery-directory.ts';
import type { TrackSettings } from '../model/track.ts';
import { AssetTrackRecord, TRACKS_PER_ASSET_MAX } from '../resources/asset-track.ts';
import { resourcePrefix } from '../resources/row-keys.ts';
import type { HeadendTable } from './headend-table.ts';

const DESCRIBES_VIDEO = /\bpublic\.accessibility\.describes-video\b/i;
const VERSION_CHARS = 16;

/** The tracks that were added to an asset and are for players, in the order of their names. */
export async function readAddedTracks(
  table: HeadendTable,
  assetName: string,
): Promise<AssetLocatorView['addedTracks']> {
  const rows = await table.list(resourcePrefix('assettrack', [assetName]), { limit: TRACKS_PER_ASSET_MAX });
  return rows.map(({ body }) => AssetTrackRecord.parse(body)).flatMap(toAddedTrack);
}

function toAddedTrack(record: AssetTrackRecord): AssetLocatorView['addedTracks'] {
  const { name, track, provisioningState, created, lastModified } = record;
  const isText = track['@odata.type'] === '#Microsoft.Media.TextTrack';
  if (provisioningState === 'Failed' || (isText && track.playerVisibility === 'Hidden')) return [];
  const { fileName, displayName: label, languageCode: language } = track;
  return [
    {
      name,
      type: isText ? 'text' : 'audio',
      fileName,
      mpeg4TrackId: isText ? undefined : track.mpeg4TrackId,
      label,
      language,
      settings: settingsOf(track),
      version: versionOf([name, track, created, lastModified]),
      isPending: provisioningState === 'InProgress',
    },
  ];
}

function settingsOf(track: AssetTrackRecord['track']): TrackSettings {
  const { default: isDefault, forced: isForced, characteristics } = track.hlsSettings ?? {};
  if (track['@odata.type'] === '#Microsoft.Media.TextTrack') return { isDefault, isForced, characteristics };
  const { role } = track.dashSettings ?? {};
  const isDescription = DESCRIBES_VIDEO.test(characteristics ?? '') || role === 'description';
  return { isDefault, characteristics, role, isDescription };
}

/** `updateTrackData` changes the time of its row, and with it this. */
function versionOf(facts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('base64url').slice(0, VERSION_CHARS);
}
