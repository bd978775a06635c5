const FRAGMENT_MAX_AGE_SECONDS = 31_536_000;
const PREVIEW_HEADER_MAX_AGE_SECONDS = 10;
const RECORDED_MANIFEST_MAX_AGE_SECONDS = 60;
const LIVE_MANIFEST_MAX_AGE_SECONDS = 1;

export type CachedContent =
  | { readonly kind: 'fragment' }
  | { readonly kind: 'header'; readonly isPreview: boolean }
  | { readonly kind: 'manifest'; readonly isLive: boolean; readonly targetDurationSeconds: number };

/**
 * `Cache-Control` for players and CDNs. What stands at a time on the timeline never changes, so fragments are immutable
 * while live too. A live manifest may be at most half a target duration old (RFC 8216bis §6.3.4 has clients reload
 * that soon). Nothing outlives its locator. `private`: no shared cache may answer others with it.
 */
export function writeCacheControl(
  content: CachedContent,
  secondsUntilExpiry: number | undefined,
  audience: 'public' | 'private' = 'public',
  /** For what does not change, where somebody knows better. */
  lastingSeconds?: number,
): string {
  const usual = maxAgeSeconds(content);
  const maxAge = lastingSeconds !== undefined && isLasting(content) ? lastingSeconds : usual;
  if (secondsUntilExpiry !== undefined && secondsUntilExpiry < maxAge) {
    return `${audience}, max-age=${Math.max(0, Math.floor(secondsUntilExpiry))}`;
  }
  return maxAge === FRAGMENT_MAX_AGE_SECONDS
    ? `${audience}, max-age=${maxAge}, immutable`
    : `${audience}, max-age=${maxAge}`;
}

/** What a streaming endpoint's `maxCacheAge` is for (reference §3.6). */
function isLasting(content: CachedContent): boolean {
  if (content.kind === 'header') return !content.isPreview;
  return content.kind === 'fragment' || !content.isLive;
}

function maxAgeSeconds(content: CachedContent): number {
  switch (content.kind) {
    case 'fragment':
      return FRAGMENT_MAX_AGE_SECONDS;
    case 'header':
      // A preview numbers its formats anew when the ingest process restarts.
      return content.isPreview ? PREVIEW_HEADER_MAX_AGE_SECONDS : FRAGMENT_MAX_AGE_SECONDS;
    case 'manifest':
      if (!content.isLive) return RECORDED_MANIFEST_MAX_AGE_SECONDS;
      return Math.min(LIVE_MANIFEST_MAX_AGE_SECONDS, Math.floor(content.targetDurationSeconds / 2));
  }
}
