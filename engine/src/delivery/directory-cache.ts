import type { MediaFilter } from '../packager/presentation-filter.ts';
import type { DeliveryDirectory, LocatorView } from './delivery-directory.ts';
import type { EndpointView } from './endpoint-view.ts';
import { type Clock, LookupCache } from './lookup-cache.ts';
import { type FilterHomes, toMediaFilter } from './media-filters.ts';

/** Account and asset, neither of which has it in its name. */
const SEPARATOR = '/';

/** The directory, remembered for a second. */
export class DirectoryCache {
  readonly #locators: LookupCache<LocatorView>;
  readonly #endpoints: LookupCache<readonly EndpointView[]>;
  readonly #filters: LookupCache<readonly MediaFilter[]>;

  constructor(directory: DeliveryDirectory, clock: Clock) {
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

  peekFilterHomes(locator: LocatorView): FilterHomes | undefined {
    const { account } = locator;
    const ofAccount = this.#filters.peek(account);
    const ofAsset =
      locator.kind === 'preview' ? [] : this.#filters.peek(`${account}${SEPARATOR}${locator.assetName}`);
    return ofAccount && ofAsset && { ofAccount, ofAsset };
  }

  async findFilterHomes(locator: LocatorView): Promise<FilterHomes> {
    const { account } = locator;
    const [ofAccount = [], ofAsset = []] = await Promise.all([
      this.#filters.find(account),
      locator.kind === 'preview' ? [] : this.#filters.find(`${account}${SEPARATOR}${locator.assetName}`),
    ]);
    return { ofAccount, ofAsset };
  }
}
