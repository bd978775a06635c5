import { ASSETS } from './asset-rows.ts';
import { CONTENT_KEY_POLICIES } from './content-key-policy-rows.ts';
import { type IndexedCollection, indexed } from './index-rebuild.ts';
import { JOBS } from './job-rows.ts';
import { STREAMING_LOCATORS } from './streaming-locator-rows.ts';

/** Every collection with index rows: those of earlier versions' resources are written at the first start. */
export const INDEXED_COLLECTIONS: readonly IndexedCollection[] = [
  indexed(ASSETS),
  indexed(CONTENT_KEY_POLICIES),
  indexed(STREAMING_LOCATORS),
  indexed(JOBS),
];
