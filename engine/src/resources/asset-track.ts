import { z } from 'zod';
import { AssetTrack } from '../contract/metadata.ts';
import { type AccountScope, auditRecord, type Caller, newAudit, touchedAudit } from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { parseBody } from './request-body.ts';
import type { ManifestTrack, TrackFileFacts } from './track-files.ts';

/** Ours: the original names no limit. */
export const TRACKS_PER_ASSET_MAX = 100;

const HlsSettings = z.object({
  default: z.boolean().optional(),
  forced: z.boolean().optional(),
  characteristics: z.string().optional(),
});

const AudioTrackRecord = z.object({
  '@odata.type': z.literal('#Microsoft.Media.AudioTrack'),
  fileName: z.string(),
  displayName: z.string().optional(),
  languageCode: z.string().optional(),
  hlsSettings: HlsSettings.optional(),
  dashSettings: z.object({ role: z.string().optional() }).optional(),
  mpeg4TrackId: z.number().optional(),
  bitRate: z.number().optional(),
});

const TextTrackRecord = z.object({
  '@odata.type': z.literal('#Microsoft.Media.TextTrack'),
  fileName: z.string(),
  displayName: z.string().optional(),
  languageCode: z.string().optional(),
  playerVisibility: z.enum(['Hidden', 'Visible']),
  hlsSettings: HlsSettings.optional(),
});

/** A track that was added to an asset; those of its manifest are not stored. */
export const AssetTrackRecord = z.object({
  ...auditRecord,
  assetName: z.string(),
  track: z.discriminatedUnion('@odata.type', [AudioTrackRecord, TextTrackRecord]),
  provisioningState: z.enum(['InProgress', 'Succeeded', 'Failed']),
  pendingOperationId: z.string().optional(),
});
export type AssetTrackRecord = z.output<typeof AssetTrackRecord>;
type TrackContents = AssetTrackRecord['track'];

type SentTrack = NonNullable<NonNullable<z.output<typeof AssetTrack>['properties']>['track']>;
/** What can be added: the original takes no video tracks either. */
export type AssetTrackBody = Exclude<SentTrack, { '@odata.type': '#Microsoft.Media.VideoTrack' }>;

/** A file in the root of the container. */
const FILE_NAME = /^[^/\\\p{Cc}\p{Cs}]{1,260}$/u;
/** RFC 5646 §2.1 in outline. */
const LANGUAGE = /^[a-z]{1,8}(?:-[a-z0-9]{1,8})*$/i;
const SHOWN_LENGTH_MAX = 250;

const refused = (field: string, reason: string) =>
  armError('InvalidField', { field: `properties.track.${field}`, reason });

export function parseAssetTrackBody(body: unknown, apiVersion: string): AssetTrackBody {
  const track = parseBody(AssetTrack, body ?? {}, apiVersion).properties?.track;
  if (track == null)
    throw armError('InvalidField', { field: 'properties.track', reason: 'a track is expected' });
  if (track['@odata.type'] === '#Microsoft.Media.VideoTrack') {
    throw refused('@odata.type', 'video tracks come with their asset, audio and text tracks can be added');
  }
  const { fileName, displayName } = track;
  if (fileName != null && !FILE_NAME.test(fileName)) {
    throw refused('fileName', "the name of a file in the asset's container is expected");
  }
  if (displayName != null && displayName.length > SHOWN_LENGTH_MAX) {
    throw refused('displayName', `at most ${SHOWN_LENGTH_MAX} characters are allowed`);
  }
  if (track['@odata.type'] === '#Microsoft.Media.AudioTrack') checkAudio(track);
  return track;
}

function checkAudio({
  languageCode,
  mpeg4TrackId,
}: AssetTrackBody & { '@odata.type': '#Microsoft.Media.AudioTrack' }) {
  if (languageCode != null && !LANGUAGE.test(languageCode)) {
    throw refused('languageCode', 'an RFC 5646 language tag is expected');
  }
  if (mpeg4TrackId != null && mpeg4TrackId <= 0) throw refused('mpeg4TrackId', 'it must be above 0');
}

const FORMATS = {
  '#Microsoft.Media.TextTrack': ['vtt', 'ttml'],
  '#Microsoft.Media.AudioTrack': ['mp4'],
} as const;

export interface TrackFile {
  readonly name: string;
  readonly format: 'vtt' | 'ttml' | 'mp4';
  readonly mpeg4TrackId?: number | undefined;
}

/** The file that a track is made of. Throws `InvalidField` for a name that is no file of the track's type. */
export function trackFile(track: TrackContents): TrackFile {
  const extension = track.fileName.slice(track.fileName.lastIndexOf('.') + 1).toLowerCase();
  const formats: readonly TrackFile['format'][] = FORMATS[track['@odata.type']];
  const format = formats.find((name) => name === extension);
  if (format === undefined) {
    throw refused('fileName', `a file that ends in .${formats.join(' or .')} is expected`);
  }
  const isAudio = track['@odata.type'] === '#Microsoft.Media.AudioTrack';
  return { name: track.fileName, format, ...(isAudio ? { mpeg4TrackId: track.mpeg4TrackId } : {}) };
}

interface NewTrack {
  readonly name: string;
  readonly assetName: string;
  readonly operationId: string;
  readonly caller: Caller;
  readonly nowIso: string;
}

export function newAssetTrack(body: AssetTrackBody, fresh: NewTrack): AssetTrackRecord {
  return {
    name: fresh.name,
    assetName: fresh.assetName,
    ...newAudit(fresh.caller, fresh.nowIso),
    track: contentsOf(body),
    provisioningState: 'InProgress',
    pendingOperationId: fresh.operationId,
  };
}

interface TrackChange {
  readonly operationId: string;
  readonly caller: Caller;
  readonly nowIso: string;
}

/** PUT on an existing track: it is then what was sent. A track never changes its type. */
export function replacedAssetTrack(
  record: AssetTrackRecord,
  body: AssetTrackBody,
  by: TrackChange,
): AssetTrackRecord {
  checkSameType(record, body);
  return begun({ ...record, track: contentsOf(body) }, by);
}

/** PATCH: what is not sent stays, null empties. The file stays the same: `updateTrackData` reads it again. */
export function updatedAssetTrack(
  record: AssetTrackRecord,
  body: AssetTrackBody,
  by: TrackChange,
): AssetTrackRecord {
  checkSameType(record, body);
  if (body.fileName != null && body.fileName !== record.track.fileName) {
    throw armError('ImmutableField', { field: 'properties.track.fileName' });
  }
  const sent = Object.entries(body).filter(([, value]) => value !== undefined);
  const merged = { ...record.track, ...Object.fromEntries(sent), fileName: record.track.fileName };
  return begun({ ...record, track: storedTrack(merged) }, by);
}

/** An operation begins on it. */
export function begun(record: AssetTrackRecord, by: TrackChange): AssetTrackRecord {
  return {
    ...record,
    ...touchedAudit(by.caller, by.nowIso),
    provisioningState: 'InProgress',
    pendingOperationId: by.operationId,
  };
}

/** The operation is over. What the file says of the track is known then. */
export function settled(
  record: AssetTrackRecord,
  provisioningState: 'Succeeded' | 'Failed',
  facts: TrackFileFacts | undefined,
): AssetTrackRecord {
  const { pendingOperationId: _over, ...rest } = record;
  return {
    ...rest,
    track: facts === undefined ? record.track : withFacts(record.track, facts),
    provisioningState,
  };
}

function withFacts(track: TrackContents, facts: TrackFileFacts): TrackContents {
  if (track['@odata.type'] === '#Microsoft.Media.TextTrack') {
    const { languageCode: _before, ...rest } = track;
    return { ...rest, ...(facts.languageCode === undefined ? {} : { languageCode: facts.languageCode }) };
  }
  const { bitRate: _before, ...rest } = track;
  return {
    ...rest,
    ...(facts.mpeg4TrackId === undefined ? {} : { mpeg4TrackId: facts.mpeg4TrackId }),
    ...(facts.bitRateBps === undefined ? {} : { bitRate: facts.bitRateBps }),
  };
}

function checkSameType({ track }: AssetTrackRecord, body: AssetTrackBody): void {
  if (track['@odata.type'] !== body['@odata.type']) {
    throw armError('ImmutableField', { field: 'properties.track.@odata.type' });
  }
}

function contentsOf(body: AssetTrackBody): TrackContents {
  if (body.fileName == null)
    throw refused('fileName', "the name of a file in the asset's container is expected");
  return storedTrack(body);
}

/** Without nulls, with the default of a text track's visibility. */
function storedTrack(track: object): TrackContents {
  return AssetTrackRecord.shape.track.parse({ playerVisibility: 'Visible', ...withoutNulls(track) });
}

const withoutNulls = (value: object): object =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== null && part !== undefined)
      .map(([key, part]: [string, unknown]) => [
        key,
        typeof part === 'object' ? withoutNulls(Object(part)) : part,
      ]),
  );

interface ShownTrack {
  readonly name: string;
  readonly assetName: string;
  readonly track: object;
  readonly provisioningState: string;
}

export function toArmAssetTrack(scope: AccountScope, shown: ShownTrack): object {
  const { name, assetName, track, provisioningState } = shown;
  return {
    name,
    id: `${scope.accountId}/assets/${assetName}/tracks/${name}`,
    type: 'Microsoft.Media/mediaservices/assets/tracks',
    properties: { track, provisioningState },
  };
}

/** A track that the asset's server manifest lists. */
export function shownManifestTrack(assetName: string, listed: ManifestTrack): ShownTrack {
  const { name, fileName, languageCode, mpeg4TrackId, bitRateBps } = listed;
  const file = fileName === undefined ? {} : { fileName };
  const language = languageCode === undefined ? {} : { languageCode };
  const tracks = {
    video: { '@odata.type': '#Microsoft.Media.VideoTrack' },
    audio: {
      '@odata.type': '#Microsoft.Media.AudioTrack',
      ...file,
      ...language,
      ...(mpeg4TrackId === undefined ? {} : { mpeg4TrackId }),
      ...(bitRateBps === undefined ? {} : { bitRate: bitRateBps }),
    },
    text: { '@odata.type': '#Microsoft.Media.TextTrack', ...file, ...language },
  } as const;
  return { name, assetName, track: tracks[listed.type], provisioningState: 'Succeeded' };
}
