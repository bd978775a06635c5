import { psshBoxesOf } from '../drm/pssh-boxes.ts';
import { encryptFragment } from '../encryption/fragment-encryption.ts';
import { encryptHeader } from '../encryption/header-encryption.ts';
import { segmentIv } from '../encryption/initialization-vector.ts';
import { encryptSegment } from '../encryption/segment-encryption.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Protection } from '../model/protection.ts';
import type { Track } from '../model/track.ts';

/** An EXT-X-MAP of HLS: the stored header, protected as its track is to be. Playlists say that AES-128 leaves it alone. */
export function packageHlsHeader(
  header: Uint8Array,
  o: { readonly track: Track; readonly formatIndex: number; readonly protection: Protection },
): Uint8Array {
  const { scheme, ivSalt, keyOf } = o.protection;
  const key = keyOf(o.track);
  if (key === undefined || scheme === 'aes128') return header;
  return encryptHeader(header, { ...o, scheme, key, ivSalt, psshBoxes: psshBoxesOf(key, scheme) });
}

/** A CMAF segment of HLS: the stored fragment, protected as its track is to be. Throws as `encryptFragment`. */
export function packageHlsFragment(
  stored: Uint8Array,
  o: { readonly track: Track; readonly entry: FragmentEntry; readonly protection: Protection },
): Uint8Array {
  const { scheme, ivSalt, keyOf } = o.protection;
  const key = keyOf(o.track);
  if (key === undefined) return stored;
  if (scheme === 'aes128') return encryptSegment([stored], { key, iv: segmentIv({ ...o, ivSalt }) });
  return encryptFragment(stored, { ...o, scheme, key, ivSalt });
}
