import { type AzureMediaServices, getContinuationToken } from '@azure/arm-mediaservices';
import type { PipelinePolicy } from '@azure/core-rest-pipeline';

/** Every operation group of `@azure/arm-mediaservices`, by the test file that sweeps it. */
export const SWEPT = {
  accounts: [
    'operations',
    'locations',
    'mediaservices',
    'mediaServicesOperationStatuses',
    'mediaServicesOperationResults',
    'privateLinkResources',
    'privateEndpointConnections',
    'accountFilters',
  ],
  metadata: [
    'assets',
    'assetFilters',
    'tracks',
    'operationStatuses',
    'operationResults',
    'contentKeyPolicies',
    'streamingPolicies',
    'streamingLocators',
  ],
  media: ['transforms', 'jobs', 'liveEvents', 'liveOutputs', 'streamingEndpoints'],
} as const;

/** The package's operation groups, by reflection: what a new version of it adds is found too. */
function groupsOf(client: AzureMediaServices): Map<string, object> {
  const groups = new Map<string, object>();
  for (const [name, value] of Object.entries(client)) {
    if (/Impl$/.test(String(Reflect.get(Object(value), 'constructor')?.name))) groups.set(name, value);
  }
  return groups;
}

export function groupNames(client: AzureMediaServices): string[] {
  return [...groupsOf(client).keys()].toSorted();
}

/**
 * Watches all methods of all groups, those included that the package calls itself (`_listNext` is the second page of a
 * list), and tells which of some groups nobody has called.
 */
export function watchCalls(client: AzureMediaServices): (groups: readonly string[]) => string[] {
  const called = new Map<string, boolean>();
  for (const [name, group] of groupsOf(client)) {
    const prototype: object = Object.getPrototypeOf(group);
    for (const method of Object.getOwnPropertyNames(prototype)) {
      const original: unknown = Reflect.get(prototype, method);
      if (method === 'constructor' || typeof original !== 'function') continue;
      called.set(`${name}.${method}`, false);
      Reflect.set(group, method, (...given: unknown[]): unknown => {
        called.set(`${name}.${method}`, true);
        return Reflect.apply(original, group, given);
      });
    }
  }
  return (groups) =>
    [...called]
      .filter(([method, wasCalled]) => !wasCalled && groups.includes(method.slice(0, method.indexOf('.'))))
      .map(([method]) => method);
}

interface Poller<Result> {
  toString(): string;
  pollUntilDone(): Promise<Result>;
}

interface PollerOptions {
  readonly updateIntervalInMs: number;
  readonly resumeFrom?: string;
}

/** What the service says wins, as always: `Retry-After`. */
export const FAST: PollerOptions = { updateIntervalInMs: 20 };

/**
 * Begins an operation with one client, keeps nothing but the text of its poller's state, and has another client see it
 * to its end, which must not send the call a second time.
 */
export async function resumed<Result>(
  clients: { readonly begins: AzureMediaServices; readonly resumes: AzureMediaServices },
  begin: (client: AzureMediaServices, options: PollerOptions) => Promise<Poller<Result>>,
): Promise<Result> {
  const state = (await begin(clients.begins, FAST)).toString();
  const sent: string[] = [];
  const watch: PipelinePolicy = {
    name: 'watchResumed',
    sendRequest(request, next) {
      sent.push(request.method);
      return next(request);
    },
  };
  clients.resumes.pipeline.addPolicy(watch);
  try {
    const poller = await begin(clients.resumes, { ...FAST, resumeFrom: state });
    const result = await poller.pollUntilDone();
    const repeated = sent.filter((method) => method !== 'GET');
    if (repeated.length > 0) throw new Error(`a resumed poller sent ${repeated.join(', ')}`);
    return result;
  } finally {
    clients.resumes.pipeline.removePolicy({ name: watch.name });
  }
}

interface Pages<Item> extends AsyncIterable<Item> {
  byPage(settings?: { continuationToken?: string }): AsyncIterableIterator<Item[]>;
}

/** The names that a list has, page by page; each page but the first is asked for by the token of the one before. */
export async function pageNames<Item extends { name?: string }>(
  list: () => Pages<Item>,
): Promise<string[][]> {
  const pages: string[][] = [];
  let continuationToken: string | undefined;
  do {
    const settings = continuationToken === undefined ? {} : { continuationToken };
    const { value: page } = await list().byPage(settings).next();
    pages.push((page ?? []).map(({ name }: Item) => name ?? ''));
    continuationToken = getContinuationToken(page);
  } while (continuationToken !== undefined && pages.length < PAGES_MAX);
  return pages;
}

const PAGES_MAX = 50;

/** Runs `task` for every item, a bounded number at a time, in the order given. */
export async function eachOf<Item>(
  items: readonly Item[],
  task: (item: Item) => Promise<unknown>,
  parallel = 8,
): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await task(item);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
