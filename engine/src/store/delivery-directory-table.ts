import type {
  AssetLocatorView,
  DeliveryDirectory,
  PreviewLocatorView,
} from '../delivery/delivery-directory.ts';
import type { CrossSitePolicies, EndpointView } from '../delivery/endpoint-view.ts';
import { containerRef } from '../resources/container-place.ts';
import { allowedNetworks } from '../resources/ip-allow-list.ts';
import { LiveEventRecord } from '../resources/live-event.ts';
import { liveEventIdOf } from '../resources/live-event-id.ts';
import { LiveOutputRecord } from '../resources/live-output.ts';
import {
  liveEventKey,
  liveOutputKey,
  locatorIdKey,
  prefixes,
  previewLocatorKey,
  streamingEndpointKey,
  streamingLocatorKey,
} from '../resources/row-keys.ts';
import { StreamingEndpointRecord } from '../resources/streaming-endpoint.ts';
import { protocolsOf, StreamingLocatorRecord } from '../resources/streaming-locator.ts';
import { clearProtocolsOf } from '../resources/streaming-policy.ts';
import { readAddedTracks } from './added-tracks.ts';
import type { EngineIndex } from './engine-index.ts';
import type { HeadendTable } from './headend-table.ts';
import { type IndexRow, parseIndexRow } from './index-row.ts';
import { outputWindows } from './live-directory-table.ts';
import {
  keylessParts,
  type LocatorProtectionDeps,
  LocatorProtections,
  policyRulesOf,
  servedProtocols,
} from './locator-protection.ts';
import { readMediaFilters } from './media-filter-rows.ts';

/** As many as an account can be allowed to have. */
const ENDPOINTS_PER_ACCOUNT_MAX = 100;
/** Live outputs that may record into one asset; more are not looked at. */
const OUTPUTS_PER_ASSET_MAX = 100;

/** Reads what the origin needs of the control plane's rows; `ownTable` is that of the engine's own account. */
export function createDeliveryDirectory(
  ownTable: HeadendTable,
  index: EngineIndex,
  protection: LocatorProtectionDeps,
): DeliveryDirectory {
  const protections = new LocatorProtections(protection);
  return {
    async findLocator(streamingLocatorId) {
      const account = await index.accountOf({ kind: 'locatorId', id: streamingLocatorId });
      return account === undefined
        ? undefined
        : findInAccount({ account, table: ownTable.inPartition(account), protections }, streamingLocatorId);
    },
    async streamingEndpoints(account) {
      const table = account === undefined ? ownTable : ownTable.inPartition(account);
      const rows = await table.list(prefixes.streamingEndpoints, { limit: ENDPOINTS_PER_ACCOUNT_MAX });
      return rows.map((row) => endpointView(StreamingEndpointRecord.parse(row.body), table.account));
    },
    mediaFilters: (account, assetName) => readMediaFilters(ownTable.inPartition(account), assetName),
    async streamingEndpointUnits(endpointName) {
      const row = await ownTable.find(streamingEndpointKey(endpointName));
      return row === undefined ? undefined : StreamingEndpointRecord.parse(row.body).scaleUnits;
    },
  };
}

interface AccountRows {
  readonly account: string;
  readonly table: HeadendTable;
  readonly protections: LocatorProtections;
}

async function findInAccount(rows: AccountRows, streamingLocatorId: string) {
  const { table } = rows;
  const indexRow = async (key: string): Promise<IndexRow | undefined> => {
    const row = await table.find(key);
    return row === undefined ? undefined : parseIndexRow(row.body);
  };
  const [ofAsset, ofPreview] = await Promise.all([
    indexRow(locatorIdKey(streamingLocatorId)),
    indexRow(previewLocatorKey(streamingLocatorId)),
  ]);
  if (ofAsset !== undefined) {
    const row = await table.find(streamingLocatorKey(ofAsset.name));
    return row === undefined ? undefined : assetView(rows, StreamingLocatorRecord.parse(row.body));
  }
  return ofPreview === undefined ? undefined : previewView(rows, ofPreview.name);
}

async function previewView(
  { account, table }: AccountRows,
  name: string,
): Promise<PreviewLocatorView | undefined> {
  const row = await table.find(liveEventKey(name));
  if (row === undefined) return undefined;
  const record = LiveEventRecord.parse(row.body);
  const { accessControl, streamingPolicyName } = record.preview;
  const rules = await policyRulesOf(table, streamingPolicyName);
  return {
    kind: 'preview',
    account,
    liveEventId: liveEventIdOf(account, name),
    viewerAllow: allowedNetworks(accessControl),
    crossSite: crossSiteOf(record),
    rules: { clear: servedProtocols(clearProtocolsOf(rules)), encrypted: keylessParts(rules) },
  };
}

async function assetView(rows: AccountRows, locator: StreamingLocatorRecord): Promise<AssetLocatorView> {
  const [encrypted, liveOutputs, addedTracks] = await Promise.all([
    rows.protections.of(rows, locator),
    liveOutputsOf(rows, locator.assetName),
    readAddedTracks(rows.table, locator.assetName),
  ]);
  return {
    kind: 'asset',
    account: rows.account,
    assetName: locator.assetName,
    container: containerRef(locator),
    startTimeMs: locator.startTime === undefined ? undefined : Date.parse(locator.startTime),
    endTimeMs: Date.parse(locator.endTime),
    rules: { clear: servedProtocols(protocolsOf(locator).clearProtocols), encrypted },
    filters: locator.filters,
    addedTracks,
    liveOutputs,
  };
}

async function liveOutputsOf(
  { account, table }: AccountRows,
  assetName: string,
): Promise<AssetLocatorView['liveOutputs']> {
  const indexRows = await table.list(prefixes.outputsOfAsset(assetName), { limit: OUTPUTS_PER_ASSET_MAX });
  const rows = await Promise.all(
    indexRows.map((row) => {
      const { name, liveEvent = '' } = parseIndexRow(row.body);
      return table.find(liveOutputKey(liveEvent, name));
    }),
  );
  return rows
    .filter((row) => row !== undefined)
    .map((row) => LiveOutputRecord.parse(row.body))
    .map((output) => ({
      liveEventId: liveEventIdOf(account, output.liveEventName),
      outputName: output.name,
      manifestName: output.manifestName,
      ...outputWindows(output),
    }));
}

function endpointView(record: StreamingEndpointRecord, account: string): EndpointView {
  const { accessControl, maxCacheAge } = record;
  return {
    name: record.name.toLowerCase(),
    state: record.state,
    hostLabel: `${record.name}-${account}`.toLowerCase(),
    customHostNames: record.customHostNames.map((name) => name.toLowerCase()),
    viewerAllow: allowedNetworks(accessControl),
    signatureKeys: accessControl?.akamai?.map(({ identifier, base64Key, expiration }) => ({
      identifier: identifier ?? '',
      key: Buffer.from(base64Key ?? '', 'base64'),
      expiresAtMs: expiration === null ? undefined : Date.parse(expiration),
    })),
    maxAgeSeconds: maxCacheAge ?? undefined,
    crossSite: crossSiteOf(record),
  };
}

function crossSiteOf({
  crossSiteAccessPolicies: policies,
}: Pick<StreamingEndpointRecord, 'crossSiteAccessPolicies'>): CrossSitePolicies {
  return {
    clientAccessPolicy: policies?.clientAccessPolicy ?? undefined,
    crossDomainPolicy: policies?.crossDomainPolicy ?? undefined,
  };
}
