import { createHash } from 'node:crypto';
import type { ContainerPlace } from './container-place.ts';
import { foldName } from './names.ts';

// RowKeys may not hold / \ # ? or control characters, `!` separates our parts, `=` begins an escape, `~` a digest.
const UNSAFE = /[!#=~/\\?%\p{Cc}]/gu;
/** Three parts fit into the 512 characters of a RowKey. */
const KEY_PART_LENGTH_MAX = 120;
const KEY_PART_HEAD_LENGTH = 87;
const KEY_PART_DIGEST_LENGTH = 32;

/** Names are compared without letter case, so keys hold them in lower case; very long ones end in a digest. */
export function keyPart(name: string): string {
  const escaped = name
    .toLowerCase()
    .replace(UNSAFE, (char) => `=${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  if (escaped.length <= KEY_PART_LENGTH_MAX) return escaped;
  const digest = createHash('sha256').update(escaped).digest('hex').slice(0, KEY_PART_DIGEST_LENGTH);
  return `${escaped.slice(0, KEY_PART_HEAD_LENGTH)}~${digest}`;
}

// What `keyPart` escapes for the storage's sake; none of it can be in the name of a metadata resource, nor can `:`.
const UNSAFE_IN_NAME = /[#/\\?%:\p{Cc}\p{Cs}]/gu;
const NAME_PART_LENGTH_MAX = 260;
const NAME_PART_HEAD_LENGTH = 220;

/**
 * The last part of the key of a resource that is listed in the order of its names: every name that is allowed stays as
 * it is, without letter case, so that keys sort as names do.
 */
export function namePart(name: string): string {
  const escaped = foldName(name).replace(
    UNSAFE_IN_NAME,
    (char) => `:${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  if (escaped.length <= NAME_PART_LENGTH_MAX) return escaped;
  const digest = createHash('sha256').update(escaped).digest('hex').slice(0, KEY_PART_DIGEST_LENGTH);
  return `${escaped.slice(0, NAME_PART_HEAD_LENGTH)}:~${digest}`;
}

/** Where the names of a kind of resource begin in their keys: below its parents, if it has such. */
export const resourcePrefix = (kind: string, parents: readonly string[] = []): string =>
  [`r!${kind}`, ...parents.map(keyPart), ''].join('!');

/** Where the rows of an index begin; `name` is the index's own. */
export const indexPrefix = (kind: string, name: string, parents: readonly string[] = []): string =>
  [`i!${kind}.${name}`, ...parents.map(keyPart), ''].join('!');

const key = (...parts: readonly [string, ...string[]]): string => {
  const [kind, ...names] = parts;
  return [kind, ...names.map(keyPart)].join('!');
};

export const accountKey = 'r!account';
export const assetKey = (asset: string): string => resourcePrefix('asset') + namePart(asset);
export const liveEventKey = (liveEvent: string): string => key('r!liveevent', liveEvent);
export const liveOutputKey = (liveEvent: string, output: string): string =>
  key('r!liveoutput', liveEvent, output);
export const streamingLocatorKey = (locator: string): string =>
  resourcePrefix('streaminglocator') + namePart(locator);
export const streamingPolicyKey = (policy: string): string =>
  resourcePrefix('streamingpolicy') + namePart(policy);
export const streamingEndpointKey = (endpoint: string): string => key('r!streamingendpoint', endpoint);

export const encodingCapacityKey = (capacity: string): string => key('r!encodingcapacity', capacity);
/** Written by the origin, read by the control plane. */
export const originStatusKey = (endpoint: string): string => key('s!origin', endpoint);

export const accessTokenKey = (token: string): string =>
  key('i!accesstoken', token.replaceAll('-', '').toLowerCase());
export const previewLocatorKey = (locatorId: string): string => key('i!previewlocator', locatorId);
export const locatorIdKey = (locatorId: string): string => key('i!locatorid', locatorId);
export const locatorOfAssetKey = (asset: string, locator: string): string =>
  key('i!locatorofasset', asset, locator);
export const locatorOfPolicyKey = (policy: string, locator: string): string =>
  key('i!locatorofpolicy', policy, locator);
export const outputOfAssetKey = (names: { asset: string; liveEvent: string; output: string }): string =>
  key('i!outputofasset', names.asset, names.liveEvent, names.output);

/** A container belongs to one asset. */
export const containerOfAssetKey = (place: ContainerPlace): string =>
  key('i!containerofasset', place.storageAccountName ?? '', place.container);

/** Changed whenever an account filter is made. */
export const filtersGuardKey = 'm!accountfilters';
/** Changed whenever a streaming policy is made. */
export const policiesGuardKey = 'm!streamingpolicies';

/** How far the index rows of a kind of resource have been written. */
export const indexStateKey = (kind: string): string => key('m!index', kind);

/** A content key under its id, sealed; and the secrets of a content key policy. */
export const contentKeyKey = (contentKeyId: string): string => key('k!contentkey', contentKeyId);
export const contentKeyPolicySecretsKey = (policy: string): string => key('k!contentkeypolicy', policy);
/** Opens with the master keys of this storage. */
export const masterKeyCheckKey = 'k!masterkeycheck';

/** Measurements of a resource, such as `['streamingendpoint', 'default']`, by the minute or by the hour. */
export const metricPrefix = (resource: readonly string[], grain: string): string =>
  `${key('t', ...resource, grain)}!`;

/** Of a job that has not ended: who has it, and what is to be done. */
export const jobDispatchKey = (transform: string, job: string): string => key('d!job', transform, job);
export const jobPlanKey = (transform: string, job: string): string => key('p!job', transform, job);
/** Of a job that has ended, in the order of creation. */
export const endedJobKey = (job: { createdMs: number; transform: string; name: string }): string =>
  key('e!job', String(job.createdMs).padStart(15, '0'), job.transform, job.name);
export const jobCountKey = (shard: number): string => key('n!job', String(shard).padStart(2, '0'));
/** Written by workers, read by the control plane. */
export const encodingUnitKey = (unit: number): string => key('s!encodingunit', String(unit).padStart(3, '0'));

export const operationKey = (operationId: string): string => key('o', operationId);

/**
 * Rows of the engine's own partition, which no account's name can be: its accounts, and which account has an access
 * token, or a locator id (of a streaming locator or of a preview: both are the first part of a URL).
 */
export const ENGINE_PARTITION = '-engine';
export const registeredAccountKey = (account: string): string => key('a', account);
export const registeredAccounts = 'a!';
export const claimedTokenKey = (token: string): string =>
  key('c!accesstoken', token.replaceAll('-', '').toLowerCase());
export const claimedLocatorIdKey = (locatorId: string): string => key('c!locatorid', locatorId);
export const claims = 'c!';
/** In an account whose ids are all claimed. */
export const idsBackfilledKey = 'm!claims';

/**
 * Partitions of their own, which no account's name can be, hold how often a use-limited token has been used: in the order
 * in which they expire, and in several, because one takes so many writes in a second and no more.
 */
export const TOKEN_USE_PARTITIONS: readonly string[] = [...'0123456789abcdef'].map(
  (digit) => `-tokenuses-${digit}`,
);
export const tokenUseKey = (endsAtMs: number, hash: string): string =>
  key('u', String(Math.max(0, Math.ceil(endsAtMs))).padStart(15, '0'), hash);
export const tokenUses = 'u!';

/** Every row whose key begins with this and a further name. */
export const prefixes = {
  assets: 'r!asset!',
  liveEvents: 'r!liveevent!',
  liveOutputsOf: (liveEvent: string): string => `${liveOutputKey(liveEvent, '')}`,
  accessTokens: 'i!accesstoken!',
  previewLocators: 'i!previewlocator!',
  locatorIds: 'i!locatorid!',
  streamingLocators: 'r!streaminglocator!',
  streamingEndpoints: 'r!streamingendpoint!',
  streamingPolicies: 'r!streamingpolicy!',
  locatorsOfAsset: (asset: string): string => locatorOfAssetKey(asset, ''),
  locatorsOfPolicy: (policy: string): string => locatorOfPolicyKey(policy, ''),
  outputsOfAsset: (asset: string): string => `i!outputofasset!${keyPart(asset)}!`,
  metrics: 't!',
  jobDispatches: 'd!job!',
  jobPlans: 'p!job!',
  endedJobs: 'e!job!',
  jobCounts: 'n!job!',
  encodingUnits: 's!encodingunit!',
  operations: 'o!',
  contentKeys: 'k!contentkey!',
  contentKeyPolicySecrets: 'k!contentkeypolicy!',
  outbox: 'x!',
} as const;
