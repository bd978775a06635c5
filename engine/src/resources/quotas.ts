/** How many of a kind an account (or an asset) may have. */
export interface Quotas {
  readonly liveEvents: number;
  readonly streamingEndpoints: number;
  readonly accountFilters: number;
  readonly filtersPerAsset: number;
  readonly streamingPolicies: number;
  readonly locatorsPerAsset: number;
  readonly transforms: number;
  readonly jobs: number;
}

/** Filters, policies, locators of an asset and transforms are read all at once, so there can be no more of them. */
export const READ_AT_ONCE_MAX = 1000;

/** The original's limits (reference §1.5), but for live events: it had five, of which each cost money. */
export const QUOTA_RULES = {
  liveEvents: { setting: 'HEADEND_LIVE_EVENTS_MAX', usual: 100, max: 10_000 },
  streamingEndpoints: { setting: 'HEADEND_STREAMING_ENDPOINTS_MAX', usual: 2, max: 100 },
  accountFilters: { setting: 'HEADEND_ACCOUNT_FILTERS_MAX', usual: 100, max: READ_AT_ONCE_MAX },
  filtersPerAsset: { setting: 'HEADEND_FILTERS_PER_ASSET_MAX', usual: 100, max: READ_AT_ONCE_MAX },
  streamingPolicies: { setting: 'HEADEND_STREAMING_POLICIES_MAX', usual: 100, max: READ_AT_ONCE_MAX },
  locatorsPerAsset: { setting: 'HEADEND_LOCATORS_PER_ASSET_MAX', usual: 100, max: READ_AT_ONCE_MAX },
  transforms: { setting: 'HEADEND_TRANSFORMS_MAX', usual: 100, max: READ_AT_ONCE_MAX },
  jobs: { setting: 'HEADEND_JOBS_MAX', usual: 500_000, max: 500_000 },
} as const satisfies Record<keyof Quotas, { setting: string; usual: number; max: number }>;
