import { base64Of, keyIdBytes } from '../drm/key-id.ts';
import { writePlayReadyObject } from '../drm/play-ready-object.ts';
import { WIDEVINE_SYSTEM_ID, widevinePssh } from '../drm/pssh-boxes.ts';
import { segmentIv } from '../encryption/initialization-vector.ts';
import type { KeyTag } from '../manifests/hls.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Protection, ProtectionKey } from '../model/protection.ts';
import type { Track } from '../model/track.ts';
import type { StreamingForm } from './streaming-path.ts';

const KEY_FORMAT = {
  fairPlay: 'com.apple.streamingkeydelivery',
  widevine: `urn:uuid:${WIDEVINE_SYSTEM_ID}`,
  playReady: 'com.microsoft.playready',
  clearKey: 'org.w3.clearkey',
} as const;

/** `EXT-X-KEY` of a segment whose first fragment is `entry`; none: it is in the clear. */
export function segmentKeys(
  protection: Protection,
  segment: {
    readonly track: Track;
    readonly key: ProtectionKey | undefined;
    readonly entry: FragmentEntry;
    readonly form: StreamingForm;
  },
): readonly KeyTag[] {
  const { track, key, entry, form } = segment;
  if (key === undefined) return [];
  const { scheme, ivSalt } = protection;
  if (scheme !== 'aes128') return keySystems(key, scheme, form);
  if (key.keyUrl === undefined) throw new RangeError('a key of whole segments has an address');
  return [{ method: 'AES-128', uri: key.keyUrl, iv: segmentIv({ track, ivSalt, entry }) }];
}

/**
 * The key systems of sample encryption. Clear Key is `org.w3.clearkey`, which hls.js knows (and finds the key id in the
 * `pssh` of the header). Shaka Player knows only `identity`, whose address answers with the key itself, and hls.js would
 * take that before anything else, so it stands alone where it is asked for.
 */
export function keySystems(
  key: ProtectionKey,
  scheme: 'cenc' | 'cbcs',
  { hasIdentityKeys }: Pick<StreamingForm, 'hasIdentityKeys'>,
): readonly KeyTag[] {
  const method = scheme === 'cbcs' ? 'SAMPLE-AES' : 'SAMPLE-AES-CTR';
  const tags: KeyTag[] = [];
  if (key.fairPlay !== undefined && scheme === 'cbcs') {
    tags.push({ method, uri: key.fairPlay.keyUri, keyFormat: KEY_FORMAT.fairPlay });
  }
  if (key.widevine !== undefined) {
    const uri = `data:text/plain;base64,${base64Of(widevinePssh(key, scheme))}`;
    tags.push({ method, uri, keyId: keyIdBytes(key.id), keyFormat: KEY_FORMAT.widevine });
  }
  if (key.playReady !== undefined) {
    const uri = `data:text/plain;charset=UTF-16;base64,${base64Of(writePlayReadyObject([key], scheme))}`;
    tags.push({ method, uri, keyFormat: KEY_FORMAT.playReady });
  }
  if (key.clearKey !== undefined && hasIdentityKeys !== true) {
    const { licenseUrl } = key.clearKey;
    tags.push({ method, uri: licenseUrl, keyId: keyIdBytes(key.id), keyFormat: KEY_FORMAT.clearKey });
  }
  if (key.clearKey !== undefined && hasIdentityKeys === true && key.keyUrl !== undefined) {
    tags.push({ method, uri: key.keyUrl, keyFormat: 'identity' });
  }
  return tags;
}
