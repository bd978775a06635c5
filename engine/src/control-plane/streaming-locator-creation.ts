import { randomUUID } from 'node:crypto';
import type { Caller } from '../resources/account-scope.ts';
import type { AssetRecord } from '../resources/asset.ts';
import { armError } from '../resources/error-catalogue.ts';
import { assignedContentKeys } from '../resources/locator-content-keys.ts';
import { locatorIdKey, namePart, previewLocatorKey, resourcePrefix } from '../resources/row-keys.ts';
import {
  newStreamingLocator,
  type StreamingLocatorBody,
  type StreamingLocatorRecord,
} from '../resources/streaming-locator.ts';
import { getAsset } from './asset-rows.ts';
import { checkContentKeyPolicies } from './content-key-policy-rows.ts';
import { keyChanges } from './content-key-rows.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import { countLocatorsOf, findLocator, newLocatorChanges } from './streaming-locator-rows.ts';
import { getNamedPolicy } from './streaming-policy-rows.ts';

interface WantedLocator {
  readonly name: string;
  readonly body: StreamingLocatorBody;
  readonly caller: Caller;
}

/** One attempt; throws what stands against the locator as things are now. */
export async function createLocator(
  context: ControlContext,
  { name, body, caller }: WantedLocator,
): Promise<StreamingLocatorRecord | 'conflict'> {
  if ((await findLocator(context, name)) !== undefined) {
    throw armError('AlreadyExists', { type: 'streaming locator', name });
  }
  const { row, record: asset } = await getAsset(context, body.assetName);
  const policy = await getNamedPolicy(context, body.streamingPolicyName);
  await checkReferences(context, body, asset);
  const defaultContentKeyPolicyName = body.defaultContentKeyPolicyName || undefined;
  const newId = () => randomUUID();
  const assigned = assignedContentKeys({
    rules: policy.rules,
    supplied: body.contentKeys ?? [],
    defaultContentKeyPolicyName,
    newId,
  });
  const record = newStreamingLocator(body, {
    name,
    assetName: asset.name,
    container: asset.container,
    storageAccountName: asset.storageAccountName,
    streamingLocatorId: randomUUID(),
    policy,
    contentKeys: assigned.map(({ key }) => key),
    caller,
    nowIso: nowIso(),
  });
  await checkLocatorId(context, record.streamingLocatorId);
  const result = await context.store.commit([
    ...newLocatorChanges(record),
    ...(await keyChanges(context, record.name, assigned)),
    // Unchanged, but its ETag moves: a delete of the asset at the same time fails, or this does.
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: row.body },
  ]);
  return result === 'conflict' ? result : record;
}

async function checkReferences(
  context: ControlContext,
  { defaultContentKeyPolicyName, filters }: StreamingLocatorBody,
  asset: AssetRecord,
): Promise<void> {
  const max = context.quotas.locatorsPerAsset;
  if ((await countLocatorsOf(context, asset.name)) >= max) {
    throw armError('QuotaExceeded', { type: 'streaming locators of an asset', reason: String(max) });
  }
  if (defaultContentKeyPolicyName) await checkContentKeyPolicies(context, [defaultContentKeyPolicyName]);
  for (const filter of filters ?? []) await checkFilter(context, asset.name, filter);
}

/** Of the asset or of the account. */
async function checkFilter({ store }: ControlContext, asset: string, filter: string): Promise<void> {
  const [ofAsset, ofAccount] = await Promise.all([
    store.find(resourcePrefix('assetfilter', [asset]) + namePart(filter)),
    store.find(resourcePrefix('accountfilter') + namePart(filter)),
  ]);
  if ((ofAsset ?? ofAccount) === undefined)
    throw armError('ReferenceNotFound', { type: 'filter', name: filter });
}

/** Locators and previews share their place in URLs. */
async function checkLocatorId({ store }: ControlContext, id: string): Promise<void> {
  const [ofLocator, ofPreview] = await Promise.all([
    store.find(locatorIdKey(id)),
    store.find(previewLocatorKey(id)),
  ]);
  if (ofLocator ?? ofPreview) throw armError('IdInUse', { field: 'properties.streamingLocatorId' });
}
