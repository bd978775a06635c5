import { createHash } from 'node:crypto';

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

const key = (...parts: readonly [string, ...string[]]): string => {
  const [kind, ...names] = parts;
  return [kind, ...names.map(keyPart)].join('!');
};

export const accountKey = 'r!account';
export const assetKey = (asset: string): string => key('r!asset', asset);
export const liveEventKey = (liveEvent: string): string => key('r!liveevent', liveEvent);
export const liveOutputKey = (liveEvent: string, output: string): string =>
  key('r!liveoutput', liveEvent, output);
export const streamingLocatorKey = (locator: string): string => key('r!streaminglocator', locator);
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
export const outputOfAssetKey = (names: { asset: string; liveEvent: string; output: string }): string =>
  key('i!outputofasset', names.asset, names.liveEvent, names.output);

export const operationKey = (operationId: string): string => key('o', operationId);

/** Every row whose key begins with this and a further name. */
export const prefixes = {
  assets: 'r!asset!',
  liveEvents: 'r!liveevent!',
  liveOutputsOf: (liveEvent: string): string => `${liveOutputKey(liveEvent, '')}`,
  accessTokens: 'i!accesstoken!',
  streamingLocators: 'r!streaminglocator!',
  streamingEndpoints: 'r!streamingendpoint!',
  streamingPolicies: 'r!streamingpolicy!',
  locatorsOfAsset: (asset: string): string => locatorOfAssetKey(asset, ''),
  outputsOfAsset: (asset: string): string => `i!outputofasset!${keyPart(asset)}!`,
  operations: 'o!',
  outbox: 'x!',
} as const;
