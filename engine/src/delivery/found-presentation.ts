import type { PresentationIndex } from '../model/presentation.ts';
import type { StreamingRequest } from '../packager/streaming-path.ts';
import { type CachedContent, writeCacheControl } from './cache-policy.ts';
import type { PeekableSource } from './peekable-source.ts';
import type { TrackProtection } from './track-protection.ts';

/** What a request leads to, once it is let through. */
export interface FoundPresentation {
  readonly source: PeekableSource;
  /** Its form names the encryption that it is answered with. */
  readonly request: StreamingRequest;
  /** Undefined: in the clear. */
  readonly protection: TrackProtection | undefined;
  readonly isPreview: boolean;
  readonly secondsUntilExpiry: number | undefined;
  readonly audience: 'public' | 'private';
  /** What the endpoint says of caching what does not change. */
  readonly lastingSeconds: number | undefined;
}

/** The presentation as this viewer has it; the same object again for the same index. */
export function shownIndex({ protection }: FoundPresentation, index: PresentationIndex): PresentationIndex {
  return protection === undefined ? index : protection.reduced(index);
}

export const isSmooth = ({ request }: FoundPresentation): boolean => request.form.format.startsWith('fmp4');

export function cacheControlOf(
  { secondsUntilExpiry, audience, lastingSeconds }: FoundPresentation,
  content: CachedContent,
): string {
  return writeCacheControl(content, secondsUntilExpiry, audience, lastingSeconds);
}
