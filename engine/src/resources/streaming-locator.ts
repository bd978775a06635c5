import { z } from 'zod';
import { EnabledProtocols, StreamingLocator } from '../contract/metadata.ts';
import { type AccountScope, auditRecord, type Caller, newAudit, systemData } from './account-scope.ts';
import { refuse } from './content-key-field.ts';
import type { LocatorContentKey } from './locator-content-keys.ts';
import { parseBody } from './request-body.ts';
import {
  clearProtocolsOf,
  encryptedProtocolsOf,
  findPredefinedPolicy,
  type StreamingPolicy,
} from './streaming-policy.ts';

/** Reference §3.1: so many filters work on one manifest in all. */
const FILTERS_MAX = 10;
const END_TIME_DEFAULT = '9999-12-31T23:59:59.9999999Z';

export type StreamingLocatorBody = NonNullable<z.output<typeof StreamingLocator>['properties']>;

export function parseStreamingLocatorBody(body: unknown, apiVersion: string): StreamingLocatorBody {
  const { properties } = parseBody(StreamingLocator, body, apiVersion);
  if (properties == null) refuse('properties', 'it is required');
  const { startTime, endTime, filters } = properties;
  for (const name of ['assetName', 'streamingPolicyName'] as const) {
    if (properties[name] === '') refuse(`properties.${name}`, 'it is empty');
  }
  if (startTime != null && endTime != null && Date.parse(startTime) >= Date.parse(endTime)) {
    refuse('properties.endTime', 'it must be after startTime');
  }
  if (filters != null && filters.length > FILTERS_MAX) {
    refuse('properties.filters', `it has ${filters.length} items, at most ${FILTERS_MAX} are allowed`);
  }
  const seen = new Set<string>();
  for (const [index, filter] of (filters ?? []).entries()) {
    if (seen.has(filter.toLowerCase())) refuse(`properties.filters[${index}]`, 'it is there more than once');
    seen.add(filter.toLowerCase());
  }
  return properties;
}

export const StreamingLocatorRecord = z.object({
  ...auditRecord,
  assetName: z.string(),
  /** The asset's, copied as is the storage account: neither changes. */
  container: z.string(),
  storageAccountName: z.string().optional(),
  streamingLocatorId: z.string(),
  streamingPolicyName: z.string(),
  /** The policy's, copied: policies never change. Both absent in what was stored before there were others than predefined. */
  clearProtocols: EnabledProtocols.optional(),
  encryptedProtocols: EnabledProtocols.optional(),
  defaultContentKeyPolicyName: z.string().optional(),
  /** Their values are sealed in rows of their own. */
  contentKeys: z
    .array(
      z.object({
        id: z.string(),
        type: z.enum(['EnvelopeEncryption', 'CommonEncryptionCenc', 'CommonEncryptionCbcs']),
        label: z.string().optional(),
        policyName: z.string().optional(),
        tracks: z.array(z.looseObject({})),
      }),
    )
    .default([]),
  filters: z.array(z.string()).default([]),
  startTime: z.string().optional(),
  endTime: z.string(),
  alternativeMediaId: z.string().optional(),
});
export type StreamingLocatorRecord = z.output<typeof StreamingLocatorRecord>;

interface NewStreamingLocator {
  readonly name: string;
  readonly assetName: string;
  readonly container: string;
  readonly storageAccountName: string | undefined;
  readonly streamingLocatorId: string;
  readonly policy: StreamingPolicy;
  readonly contentKeys: readonly LocatorContentKey[];
  readonly caller: Caller;
  readonly nowIso: string;
}

export function newStreamingLocator(
  body: StreamingLocatorBody,
  fresh: NewStreamingLocator,
): StreamingLocatorRecord {
  const { startTime, alternativeMediaId, defaultContentKeyPolicyName } = body;
  const { rules } = fresh.policy;
  return {
    name: fresh.name,
    ...newAudit(fresh.caller, fresh.nowIso),
    assetName: fresh.assetName,
    container: fresh.container,
    storageAccountName: fresh.storageAccountName,
    streamingLocatorId: body.streamingLocatorId ?? fresh.streamingLocatorId,
    streamingPolicyName: fresh.policy.name,
    clearProtocols: clearProtocolsOf(rules),
    encryptedProtocols: encryptedProtocolsOf(rules),
    ...(defaultContentKeyPolicyName ? { defaultContentKeyPolicyName } : {}),
    contentKeys: fresh.contentKeys.map((key) => ({
      ...key,
      tracks: key.tracks.map((track) => ({ ...track })),
    })),
    filters: body.filters ?? [],
    ...(startTime == null ? {} : { startTime }),
    endTime: body.endTime ?? END_TIME_DEFAULT,
    ...(alternativeMediaId == null ? {} : { alternativeMediaId }),
  };
}

/** What the locator's policy lets through, in the clear and encrypted. */
export function protocolsOf(
  record: Pick<StreamingLocatorRecord, 'clearProtocols' | 'encryptedProtocols' | 'streamingPolicyName'>,
): Pick<StreamingLocatorRecord, 'clearProtocols' | 'encryptedProtocols'> {
  if (record.clearProtocols !== undefined || record.encryptedProtocols !== undefined) return record;
  const rules = findPredefinedPolicy(record.streamingPolicyName)?.rules ?? {};
  return { clearProtocols: clearProtocolsOf(rules), encryptedProtocols: encryptedProtocolsOf(rules) };
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
      contentKeys: view.single ? record.contentKeys.map(echoedKey) : [],
      filters: record.filters,
    },
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}

function echoedKey({ id, type, label, tracks }: LocatorContentKey): object {
  return {
    id,
    type,
    ...(label === undefined ? {} : { labelReferenceInStreamingPolicy: label }),
    tracks,
  };
}

/** The answer of `listContentKeys`; `values` are the keys in base64 by their ids. */
export function toListContentKeys(
  record: StreamingLocatorRecord,
  values: ReadonlyMap<string, string>,
): object {
  return {
    contentKeys: record.contentKeys.map((key) => ({
      ...echoedKey(key),
      value: values.get(key.id),
      ...(key.policyName === undefined ? {} : { policyName: key.policyName }),
    })),
  };
}

function listedLocator(record: StreamingLocatorRecord): object {
  const { startTime, defaultContentKeyPolicyName } = record;
  return {
    assetName: record.assetName,
    created: record.created,
    ...(startTime === undefined ? {} : { startTime }),
    endTime: record.endTime,
    streamingLocatorId: record.streamingLocatorId,
    streamingPolicyName: record.streamingPolicyName,
    ...(defaultContentKeyPolicyName === undefined ? {} : { defaultContentKeyPolicyName }),
  };
}

/** An entry of `listStreamingLocators` of an asset. */
export function toAssetStreamingLocator(record: StreamingLocatorRecord): object {
  return { name: record.name, ...listedLocator(record) };
}
