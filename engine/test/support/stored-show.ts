import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import { writeIndexLine } from '../../src/model/index-line.ts';
import type { FragmentEntry } from '../../src/model/presentation.ts';
import type { Track } from '../../src/model/track.ts';
import { newAudit } from '../../src/resources/account-scope.ts';
import { locatorIdKey, streamingEndpointKey, streamingLocatorKey } from '../../src/resources/row-keys.ts';
import { newDefaultStreamingEndpoint } from '../../src/resources/streaming-endpoint.ts';
import { EngineIndex } from '../../src/store/engine-index.ts';
import { type HeadendTable, openHeadendTable } from '../../src/store/headend-table.ts';

const ACCOUNT = 'headend'; // of the engine's default account id
const MANIFEST_NAME = 'show';
const FIRST_TICKS = 2_000_000_000_000_000;
const FRAGMENT_TICKS = 20_000_000;
const CALLER = { id: 'test' };

export interface StoredShow {
  readonly table: HeadendTable;
  /** Of an origin: `/{locator}/show.ism`. */
  readonly path: string;
  readonly playlistPath: string;
  fragmentPath(sequence: number): string;
  fragmentBytes(sequence: number): Uint8Array;
  /** What the scale operation of the control plane does. */
  scale(units: number): Promise<void>;
}

/** A finished, published recording of one video track, and a running streaming endpoint, written as the engine has them. */
export async function storeShow(
  connectionString: string,
  { fragments, sizeBytes }: { readonly fragments: number; readonly sizeBytes: number },
): Promise<StoredShow> {
  const table = await openHeadendTable(connectionString, ACCOUNT);
  const container = `asset-${randomUUID()}`;
  const locatorId = randomUUID();
  const name = `locator-${locatorId}`;
  const nowIso = new Date().toISOString();
  const blobs = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(container);
  await blobs.create();
  const entries = Array.from({ length: fragments }, (_, sequence) => entryOf(sequence, sizeBytes));
  const lines = [
    { kind: 'track', track } as const,
    { kind: 'epoch', epoch: 1, atMs: 0 } as const,
    ...entries.map((entry) => ({ kind: 'fragment', entry }) as const),
    { kind: 'end' } as const,
  ].map(writeIndexLine);
  const index = blobs.getAppendBlobClient(`${MANIFEST_NAME}.headend/${track.folder}/000000`);
  await index.create();
  await index.appendBlock(lines.join(''), Buffer.byteLength(lines.join('')));
  await blobs.getBlockBlobClient(`${track.folder}/header`).uploadData(Buffer.from('header'));
  for (const { sequence, decodeTimeTicks } of entries) {
    const bytes = bytesOf(sequence, sizeBytes);
    await blobs.getBlockBlobClient(`${track.folder}/${decodeTimeTicks}`).uploadData(bytes);
  }
  await table.commit([
    {
      kind: 'create',
      rowKey: streamingLocatorKey(name),
      body: {
        ...{ name, ...newAudit(CALLER, nowIso), assetName: name, container, streamingLocatorId: locatorId },
        ...{ streamingPolicyName: 'Predefined_ClearStreamingOnly', endTime: '9999-12-31T23:59:59Z' },
      },
    },
    { kind: 'create', rowKey: locatorIdKey(locatorId), body: { name } },
  ]);
  await new EngineIndex(table).claim({ kind: 'locatorId', id: locatorId }, ACCOUNT);
  const scale = async (scaleUnits: number): Promise<void> => {
    const body = { ...newDefaultStreamingEndpoint({ caller: CALLER, nowIso }), state: 'Running', scaleUnits };
    await table.commit([{ kind: 'upsert', rowKey: streamingEndpointKey('default'), body }]);
  };
  await scale(0);
  const path = `/${locatorId}/${MANIFEST_NAME}.ism`;
  const level = `${path}/QualityLevels(${track.bitrateBps})`;
  return {
    table,
    path,
    playlistPath: `${level}/Manifest(video,format=m3u8-cmaf)`,
    fragmentPath: (sequence) =>
      `${level}/Fragments(video=${FIRST_TICKS + sequence * FRAGMENT_TICKS},format=m3u8-cmaf)`,
    fragmentBytes: (sequence) => bytesOf(sequence, sizeBytes),
    scale,
  };
}

const track: Track = {
  type: 'video',
  ordinal: 1,
  streamName: 'video',
  bitrateBps: 4_000_000,
  folder: 'video_4000000',
  formats: [
    {
      kind: 'h264',
      configurationRecord: Uint8Array.of(1, 0x64, 0, 0x1f),
      codecString: 'avc1.64001f',
      width: 1280,
      height: 720,
      frameRate: 25,
    },
  ],
};

function entryOf(sequence: number, sizeBytes: number): FragmentEntry {
  return {
    sequence,
    decodeTimeTicks: FIRST_TICKS + sequence * FRAGMENT_TICKS,
    durationTicks: FRAGMENT_TICKS,
    sizeBytes,
    sampleCount: 50,
    firstSample: sequence * 50,
    discontinuity: 0,
    formatIndex: 0,
    committedAtMs: sequence,
  };
}

/** Different in every fragment and at every place, cheaply. */
function bytesOf(sequence: number, sizeBytes: number): Uint8Array {
  const bytes = Buffer.alloc(sizeBytes, `fragment ${sequence} `);
  bytes.writeUInt32BE(sequence, sizeBytes - 4);
  return bytes;
}
