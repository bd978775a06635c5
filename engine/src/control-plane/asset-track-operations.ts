import { settled, trackFile } from '../resources/asset-track.ts';
import { armError } from '../resources/error-catalogue.ts';
import type { TrackFileFacts } from '../resources/track-files.ts';
import { getAsset } from './asset-rows.ts';
import { findStoredTrack } from './asset-track-rows.ts';
import type { RowChange } from './control-store.ts';
import type { OperationContext, OperationKind, OperationRecord, OperationStep } from './operation.ts';

const TYPE = 'assettrack';

const readsFile: OperationStep = { work: readFile };
const settles: OperationStep = {
  changes: (context, operation) => settleTrack(context, operation, 'Succeeded'),
};
const failed: OperationKind['failed'] = (context, operation) => settleTrack(context, operation, 'Failed');

/** The file is there and is read: a track is made of it. */
export const createAssetTrack: OperationKind = {
  name: 'createAssetTrack',
  type: TYPE,
  steps: [readsFile, settles],
  failed,
};

export const updateAssetTrack: OperationKind = {
  name: 'updateAssetTrack',
  type: TYPE,
  steps: [readsFile, settles],
  failed,
};

/** The file was replaced: what it says is read again. */
export const updateAssetTrackData: OperationKind = {
  name: 'updateAssetTrackData',
  type: TYPE,
  steps: [readsFile, settles],
  failed,
};

/** The file stays in the container. */
export const deleteAssetTrack: OperationKind = {
  name: 'deleteAssetTrack',
  type: TYPE,
  steps: [{ changes: removeTrack }],
  failed,
  removes: true,
};

export const ASSET_TRACK_OPERATIONS: readonly OperationKind[] = [
  createAssetTrack,
  updateAssetTrack,
  updateAssetTrackData,
  deleteAssetTrack,
];

/** The operation's target is the row key of the track. Throws `TrackFileRefused`; `NotFound` when the asset is gone. */
async function readFile(context: OperationContext, { target }: OperationRecord): Promise<TrackFileFacts> {
  const stored = await findStoredTrack(context.store, target);
  if (stored === undefined) throw armError('NotFound');
  const { record: asset } = await getAsset(context, stored.record.assetName);
  const reading = await context.containers.trackFiles.read(asset, trackFile(stored.record.track));
  if (reading === undefined) throw armError('TrackFileNotFound');
  if ('refused' in reading) throw armError('TrackFileRefused', { reason: reading.refused });
  return reading.facts;
}

async function settleTrack(
  { store }: OperationContext,
  { id, target, result }: OperationRecord,
  outcome: 'Succeeded' | 'Failed',
): Promise<RowChange[]> {
  const stored = await findStoredTrack(store, target);
  // Gone with its asset, or in the hands of a later operation.
  if (stored?.record.pendingOperationId !== id) return [];
  const body = settled(stored.record, outcome, outcome === 'Succeeded' ? parseFacts(result) : undefined);
  return [{ kind: 'replace', rowKey: target, etag: stored.row.etag, body }];
}

async function removeTrack(
  { store }: OperationContext,
  { id, target }: OperationRecord,
): Promise<RowChange[]> {
  const stored = await findStoredTrack(store, target);
  return stored?.record.pendingOperationId === id ? [{ kind: 'delete', rowKey: target }] : [];
}

/** What `readFile` gave, as it was stored with the operation. */
function parseFacts(result: unknown): TrackFileFacts {
  const { languageCode, mpeg4TrackId, bitRateBps }: Record<string, unknown> = Object(result);
  return {
    ...(typeof languageCode === 'string' ? { languageCode } : {}),
    ...(typeof mpeg4TrackId === 'number' ? { mpeg4TrackId } : {}),
    ...(typeof bitRateBps === 'number' ? { bitRateBps } : {}),
  };
}
