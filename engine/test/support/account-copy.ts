import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { ContainerClient } from '@azure/storage-blob';
import { eachOf, FAST } from './sdk-sweep.ts';

/** One account as a client sees it. */
export interface AccountSide {
  readonly client: AzureMediaServices;
  readonly group: string;
  readonly account: string;
}

/** A resource below its account: the names that lead to it, and what a client reads of it. */
interface Entry<Body> {
  readonly path: readonly string[];
  readonly body: Body;
}

interface Kind {
  readonly name: string;
  read(side: AccountSide): Promise<readonly Entry<unknown>[]>;
  copy(from: AccountSide, to: AccountSide): Promise<void>;
}

/** What was read, without what a service makes anew: `kind/name/name` → body. */
export type AccountContents = Readonly<Record<string, unknown>>;

const SAS_MS = 3_600_000;
const PREDEFINED = 'Predefined_';

/** Fields that a service makes, and why they are not the same in a copy. Everything else must be. */
const SERVICE_MADE: Readonly<Record<string, readonly string[]>> = {
  // Where it is, and who made it when.
  all: ['id', 'systemData', 'created', 'lastModified'],
  assets: ['assetId'],
  contentKeyPolicies: ['policyId', 'policyOptionId'],
  // A job is run again, when it is recreated.
  jobs: ['state', 'progress', 'error', 'startTime', 'endTime'],
  // Addresses: of the account's own hosts.
  liveEvents: ['endpoints'],
  streamingEndpoints: ['hostName', 'freeTrialEndTime'],
};

/** Recreates everything of one account on another one, by nothing but the client. */
export async function copyAccount(from: AccountSide, to: AccountSide): Promise<void> {
  for (const kind of KINDS) await kind.copy(from, to);
}

/** Everything of an account that has to be the same in a copy of it. */
export async function readAccount(side: AccountSide): Promise<AccountContents> {
  const contents: Record<string, unknown> = {};
  for (const kind of KINDS) {
    const made = [...(SERVICE_MADE['all'] ?? []), ...(SERVICE_MADE[kind.name] ?? [])];
    for (const { path, body } of await kind.read(side)) {
      contents[[kind.name, ...path].join('/')] = without(body, made);
    }
  }
  return contents;
}

function without(value: unknown, names: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, names));
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !names.includes(name))
      .map(([name, inner]) => [name, without(inner, names)]),
  );
}

function kind<Body>(
  name: string,
  read: (side: AccountSide) => Promise<readonly Entry<Body>[]>,
  write: (side: AccountSide, path: readonly string[], body: Body) => Promise<unknown>,
): Kind {
  return {
    name,
    read,
    async copy(from, to) {
      await eachOf(await read(from), ({ path, body }) => write(to, path, body));
    },
  };
}

async function entries<Item extends { readonly name?: string }, Body = Item>(
  parents: readonly string[],
  items: AsyncIterable<Item>,
  open: (item: Item) => Promise<Body>,
): Promise<Entry<Body>[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  const opened = new Map<string, Body>();
  await eachOf(found, async (item) => opened.set(item.name ?? '', await open(item)));
  return [...opened].map(([name, body]) => ({ path: [...parents, name], body }));
}

/** Resources of resources, for all of their parents. */
async function below<Item extends { readonly name?: string }>(
  parents: AsyncIterable<{ readonly name?: string }>,
  list: (parent: string) => AsyncIterable<Item>,
): Promise<Entry<Item>[]> {
  const ofParents = await entries([], parents, async ({ name = '' }) =>
    entries([name], list(name), async (item) => item),
  );
  return ofParents.flatMap(({ body }) => body);
}

const at = (side: AccountSide) => [side.group, side.account] as const;
const asListed = async <Item>(item: Item): Promise<Item> => item;
const first = (path: readonly string[]): string => path[0] ?? '';
const second = (path: readonly string[]): string => path[1] ?? '';

/** In an order in which everything is there before it is named. */
const KINDS: readonly Kind[] = [
  kind(
    'accountFilters',
    (side) => entries([], side.client.accountFilters.list(...at(side)), asListed),
    (side, path, body) => side.client.accountFilters.createOrUpdate(...at(side), first(path), body),
  ),
  kind(
    'assets',
    (side) =>
      entries([], side.client.assets.list(...at(side)), async ({ container: named, ...asset }) => ({
        ...asset,
        // A container that nobody has named is named by the asset's id.
        ...(named === undefined || named === `asset-${asset.assetId}` ? {} : { container: named }),
      })),
    (side, path, body) => side.client.assets.createOrUpdate(...at(side), first(path), body),
  ),
  kind('blobs', readBlobs, writeBlob),
  kind(
    'assetFilters',
    (side) =>
      below(side.client.assets.list(...at(side)), (asset) =>
        side.client.assetFilters.list(...at(side), asset),
      ),
    (side, path, body) =>
      side.client.assetFilters.createOrUpdate(...at(side), first(path), second(path), body),
  ),
  kind(
    'tracks',
    (side) =>
      below(side.client.assets.list(...at(side)), (asset) => side.client.tracks.list(...at(side), asset)),
    (side, path, body) =>
      side.client.tracks.beginCreateOrUpdateAndWait(...at(side), first(path), second(path), body, FAST),
  ),
  kind(
    'contentKeyPolicies',
    (side) =>
      entries([], side.client.contentKeyPolicies.list(...at(side)), ({ name = '' }) =>
        side.client.contentKeyPolicies.getPolicyPropertiesWithSecrets(...at(side), name),
      ),
    (side, path, body) => side.client.contentKeyPolicies.createOrUpdate(...at(side), first(path), body),
  ),
  kind(
    'streamingPolicies',
    async (side) =>
      (await entries([], side.client.streamingPolicies.list(...at(side)), asListed)).filter(
        ({ path }) => !first(path).startsWith(PREDEFINED),
      ),
    (side, path, body) => side.client.streamingPolicies.create(...at(side), first(path), body),
  ),
  kind(
    'streamingLocators',
    (side) =>
      entries([], side.client.streamingLocators.list(...at(side)), async (locator) => ({
        ...locator,
        contentKeys:
          (await side.client.streamingLocators.listContentKeys(...at(side), locator.name ?? ''))
            .contentKeys ?? [],
      })),
    (side, path, body) => side.client.streamingLocators.create(...at(side), first(path), body),
  ),
  kind(
    'transforms',
    (side) => entries([], side.client.transforms.list(...at(side)), asListed),
    (side, path, body) => side.client.transforms.createOrUpdate(...at(side), first(path), body),
  ),
  kind(
    'jobs',
    (side) =>
      below(side.client.transforms.list(...at(side)), (transform) =>
        side.client.jobs.list(...at(side), transform),
      ),
    (side, path, body) => side.client.jobs.create(...at(side), first(path), second(path), body),
  ),
  kind(
    'liveEvents',
    (side) => entries([], side.client.liveEvents.list(...at(side)), asListed),
    (side, path, body) => side.client.liveEvents.beginCreateAndWait(...at(side), first(path), body, FAST),
  ),
  kind(
    'liveOutputs',
    (side) =>
      below(side.client.liveEvents.list(...at(side)), (event) =>
        side.client.liveOutputs.list(...at(side), event),
      ),
    (side, path, body) =>
      side.client.liveOutputs.beginCreateAndWait(...at(side), first(path), second(path), body, FAST),
  ),
  kind(
    'streamingEndpoints',
    (side) => entries([], side.client.streamingEndpoints.list(...at(side)), asListed),
    (side, path, body) => {
      const { streamingEndpoints } = side.client;
      // Every account has this one from the start.
      return first(path) === 'default'
        ? streamingEndpoints.beginUpdateAndWait(...at(side), 'default', body, FAST)
        : streamingEndpoints.beginCreateAndWait(...at(side), first(path), body, FAST);
    },
  ),
];

async function container(side: AccountSide, asset: string): Promise<ContainerClient> {
  const { assetContainerSasUrls = [] } = await side.client.assets.listContainerSas(...at(side), asset, {
    permissions: 'ReadWrite',
    expiryTime: new Date(Date.now() + SAS_MS),
  });
  return new ContainerClient(assetContainerSasUrls[0] ?? '');
}

/** Contents and all: what an asset holds here is small. */
async function readBlobs(side: AccountSide): Promise<Entry<Buffer>[]> {
  const ofAssets = await entries([], side.client.assets.list(...at(side)), async ({ name = '' }) => {
    const blobs = await container(side, name);
    return entries([name], blobs.listBlobsFlat(), (blob) =>
      blobs.getBlockBlobClient(blob.name).downloadToBuffer(),
    );
  });
  return ofAssets.flatMap(({ body }) => body);
}

async function writeBlob(side: AccountSide, path: readonly string[], body: Buffer): Promise<void> {
  await (await container(side, first(path))).getBlockBlobClient(second(path)).uploadData(body);
}
