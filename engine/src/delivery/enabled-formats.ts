import type { StreamingRequest } from '../packager/streaming-path.ts';
import type { LocatorView, ServedProtocols } from './delivery-directory.ts';
import { OriginError } from './origin-errors.ts';

/**
 * Throws for what the streaming policy does not let through in the clear; nothing is served encrypted yet, and nothing
 * that a filter has to go through.
 */
export function checkFormat(locator: LocatorView, request: StreamingRequest): void {
  if (locator.kind === 'asset' && locator.filters.length > 0) {
    throw new OriginError('MPE_OUTPUT_FORMAT_BLOCKED', 'filters of streaming locators are not served yet');
  }
  if (isIn(locator.enabledProtocols, request)) return;
  if (!isIn(locator.encryptedProtocols, request)) {
    throw new OriginError('MPE_OUTPUT_FORMAT_BLOCKED', 'the streaming policy does not enable this protocol');
  }
  if (isManifest(request)) {
    throw new OriginError(
      'MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL',
      'the streaming policy enables this protocol with encryption only',
    );
  }
  throw new OriginError(
    'MPE_ENC_ENCRYPTION_REQUIRED',
    'the streaming policy lets nothing through in the clear',
  );
}

/** A fragment is the same in both protocols, whatever its URL says: it is let through if either is. */
function isIn({ hls, dash }: ServedProtocols, request: StreamingRequest): boolean {
  if (!isManifest(request)) return hls || dash;
  return request.kind === 'mediaPlaylist' || request.form.format === 'm3u8-cmaf' ? hls : dash;
}

const isManifest = (
  request: StreamingRequest,
): request is Extract<StreamingRequest, { kind: 'manifest' | 'mediaPlaylist' }> =>
  request.kind === 'manifest' || request.kind === 'mediaPlaylist';
