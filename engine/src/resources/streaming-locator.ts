import { z } from 'zod';
import { type AccountScope, auditRecord, type Caller, newAudit, systemData } from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { envelope, guid, parseBody, readOnly, text } from './request-body.ts';
import { findStreamingPolicy } from './streaming-policy.ts';

/** Reference §1.5. */
export const LOCATORS_PER_ASSET_MAX = 100;
const END_TIME_DEFAULT = '9999-12-31T23:59:59.9999999Z';

const dateTime = z.iso.datetime({ offset: true, error: 'an ISO 8601 date and time is expected' });

const StreamingLocatorBody = z.strictObject({
  ...envelope,
  properties: z.strictObject({
    assetName: z.string().min(1).max(260),
    streamingPolicyName: z.string().min(1).max(260),
    streamingLocatorId: guid.nullish(),
    startTime: dateTime.nullish(),
    endTime: dateTime.nullish(),
    defaultContentKeyPolicyName: text.nullish(),
    contentKeys: z.array(z.unknown()).max(10).nullish(),
    alternativeMediaId: text.nullish(),
    filters: z.array(z.string()).max(10).nullish(),
    created: readOnly,
  }),
});
export type StreamingLocatorBody = z.output<typeof StreamingLocatorBody>['properties'];

export function parseStreamingLocatorBody(body: unknown): StreamingLocatorBody {
  const { properties } = parseBody(StreamingLocatorBody, body);
  const { startTime, endTime } = properties;
  if (startTime != null && endTime != null && Date.parse(startTime) >= Date.parse(endTime)) {
    throw armError('InvalidField', { field: 'properties.endTime', reason: 'it must be after startTime' });
  }
  const policy = findStreamingPolicy(properties.streamingPolicyName);
  if (policy === undefined) {
    throw armError('ReferenceNotFound', { type: 'streaming policy', name: properties.streamingPolicyName });
  }
  const refuse = (field: string, reason: string): never => {
    throw armError('NotSupportedYet', { field: `properties.${field}`, reason });
  };
  if (policy.clearProtocols === undefined) refuse('streamingPolicyName', 'only clear streaming is available');
  if (properties.contentKeys?.length) refuse('contentKeys', 'only clear streaming is available');
  if (properties.defaultContentKeyPolicyName) {
    refuse('defaultContentKeyPolicyName', 'only clear streaming is available');
  }
  if (properties.filters?.length) refuse('filters', 'there are no filters');
  return { ...properties, streamingPolicyName: policy.name };
}

export const StreamingLocatorRecord = z.object({
  ...auditRecord,
  assetName: z.string(),
  /** The asset's, copied as is the storage account: neither changes. */
  container: z.string(),
  storageAccountName: z.string().optional(),
  streamingLocatorId: z.string(),
  streamingPolicyName: z.string(),
  startTime: z.string().optional(),
  endTime: z.string(),
  alternativeMediaId: z.string().optional(),
});
export type StreamingLocatorRecord = z.output<typeof StreamingLocatorRecord>;

interface NewStreamingLocator {
  readonly name: string;
  readonly assetName: string;
  readonly container: string;
  readonly storageAccountName: string;
  readonly streamingLocatorId: string;
  readonly caller: Caller;
  readonly nowIso: string;
}

export function newStreamingLocator(
  body: StreamingLocatorBody,
  fresh: NewStreamingLocator,
): StreamingLocatorRecord {
  return {
    name: fresh.name,
    ...newAudit(fresh.caller, fresh.nowIso),
    assetName: fresh.assetName,
    container: fresh.container,
    storageAccountName: fresh.storageAccountName,
    streamingLocatorId: body.streamingLocatorId ?? fresh.streamingLocatorId,
    streamingPolicyName: body.streamingPolicyName,
    ...(body.startTime == null ? {} : { startTime: body.startTime }),
    endTime: body.endTime ?? END_TIME_DEFAULT,
    ...(body.alternativeMediaId == null ? {} : { alternativeMediaId: body.alternativeMediaId }),
  };
}

export function toArmStreamingLocator(
  scope: AccountScope,
  record: StreamingLocatorRecord,
  view: { readonly single: boolean },
): object {
  return {
    name: record.name,
    id: `${scope.accountId}/streamingLocators/${record.name}`,
    type: 'Microsoft.Media/mediaservices/streamingLocators',
    properties: {
      ...listedLocator(record),
      ...(record.alternativeMediaId === undefined ? {} : { alternativeMediaId: record.alternativeMediaId }),
      contentKeys: [],
      filters: [],
    },
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}

function listedLocator(record: StreamingLocatorRecord): object {
  return {
    assetName: record.assetName,
    created: record.created,
    ...(record.startTime === undefined ? {} : { startTime: record.startTime }),
    endTime: record.endTime,
    streamingLocatorId: record.streamingLocatorId,
    streamingPolicyName: record.streamingPolicyName,
  };
}

/** An entry of `listStreamingLocators` of an asset. */
export function toAssetStreamingLocator(record: StreamingLocatorRecord): object {
  return { name: record.name, ...listedLocator(record) };
}

/**
 * The answer of `listPaths`: only formats that the origin serves; a protocol without paths while the asset has no
 * manifest yet (reference §3.2).
 */
export function toListPaths(record: StreamingLocatorRecord, manifestNames: readonly string[]): object {
  const enabled = findStreamingPolicy(record.streamingPolicyName)?.clearProtocols;
  const entry = (streamingProtocol: string, format: string): object => ({
    streamingProtocol,
    encryptionScheme: 'NoEncryption',
    paths: manifestNames.map(
      (manifest) => `/${record.streamingLocatorId}/${manifest}.ism/manifest(format=${format})`,
    ),
  });
  return {
    streamingPaths: [
      ...(enabled?.hls ? [entry('Hls', 'm3u8-cmaf')] : []),
      ...(enabled?.dash ? [entry('Dash', 'mpd-time-cmaf')] : []),
    ],
    downloadPaths: [],
  };
}
