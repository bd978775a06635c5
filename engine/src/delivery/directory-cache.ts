import type { MediaFilter } from '../packager/presentation-filter.ts';
import type { DeliveryDirectory, LocatorView } from './delivery-directory.ts';
import type { EndpointView } from './endpoint-view.ts';
import { type Clock, LookupCache } from './lookup-cache.ts';
import { type FilterHomes, type FilterNames, hasAll, toMediaFilter } from './media-filters.ts';

/** Account and asset, neither of which has it in its name. */
const SEPARATOR = '/';

/** The directory, remembered for a second. */
export class DirectoryCache {
  readonly #locators: LookupCache<LocatorView>;
  readonly #endpoints: LookupCache<readonly EndpointView[]>;
  readonly #filters: LookupCache<readonly MediaFilter[]>;
  readonly #clock: Clock;

  constructor(directory: DeliveryDirectory, clock: Clock) {
    this.#clock = clock;
    this.#locators = new LookupCache((id) => directory.findLocator(id), clock);
    this.#endpoints = new LookupCache(
      (account) => directory.streamingEndpoints(account === '' ? undefined : account),
      clock,
    );
    this.#filters = new LookupCache<readonly MediaFilter[]>(async (home) => {
      const [account = '', asset] = home.split(SEPARATOR);
      return (await directory.mediaFilters(account, asset)).map(toMediaFilter);
    }, clock);
  }

  peekLocator(streamingLocatorId: string): LocatorView | undefined {
    return this.#locators.peek(streamingLocatorId);
  }

  findLocator(streamingLocatorId: string): Promise<LocatorView | undefined> {
    return this.#locators.find(streamingLocatorId);
  }

  peekStreamingEndpoints(account: string | undefined): readonly EndpointView[] | undefined {
    return this.#endpoints.peek(account ?? '');
  }

  async streamingEndpoints(account: string | undefined): Promise<readonly EndpointView[]> {
    return (await this.#endpoints.find(account ?? '')) ?? [];
  }

  /** Undefined as well when one of them is not known, which may be new. */
  peekFilterHomes(locator: LocatorView, names: FilterNames): FilterHomes | undefined {
    const [account, asset] = homesOf(locator);
    const ofAccount = this.#filters.peek(account);
    const ofAsset = asset === undefined ? [] : this.#filters.peek(asset);
    if (ofAccount === undefined || ofAsset === undefined) return undefined;
    return hasAll(names, { ofAccount, ofAsset }) ? { ofAccount, ofAsset } : undefined;
  }

  /** A name that is not known is looked for once more: a filter counts as soon as it has been made. */
  async findFilterHomes(locator: LocatorView, names: FilterNames): Promise<FilterHomes> {
    const sinceMs = this.#clock.nowMs();
    const [account, asset] = homesOf(locator);
    const homes = await both(account, asset, (home) => this.#filters.find(home));
    return hasAll(names, homes)
      ? homes
      : await both(account, asset, (home) => this.#filters.findSince(home, sinceMs));
  }
}

const homesOf = (locator: LocatorView): readonly [account: string, asset: string | undefined] => [
  locator.account,
  locator.kind === 'preview' ? undefined : `${locator.account}${SEPARATOR}${locator.assetName}`,
];

async function both(
  account: string,
  asset: string | undefined,
  find: (home: string) => Promise<readonly MediaFilter[] | undefined>,
): Promise<FilterHomes> {
  const [ofAccount = [], ofAsset = []] = await Promise.all([
    find(account),
    asset === undefined ? [] : find(asset),
  ]);
  return { ofAccount, ofAsset };
}
