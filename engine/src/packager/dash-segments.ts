import { psshBoxesOf } from '../drm/pssh-boxes.ts';
import { envelopeIv } from '../drm/segment-encryption.ts';
import { encryptFragment } from '../encryption/fragment-encryption.ts';
import { encryptHeader } from '../encryption/header-encryption.ts';
import { encryptSegment } from '../encryption/segment-encryption.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Protection } from '../model/protection.ts';
import type { Track } from '../model/track.ts';

/** An initialization segment of DASH: the stored header, protected as its track is to be. Throws as `encryptHeader`. */
export function packageDashHeader(
  header: Uint8Array,
  o: { readonly track: Track; readonly formatIndex: number; readonly protection: Protection | undefined },
): Uint8Array {
  const key = o.protection?.keyOf(o.track);
  if (key === undefined || o.protection === undefined) return header;
  const { scheme, ivSalt } = o.protection;
  if (scheme === 'aes128') return encryptSegment([header], { key, iv: envelopeIv(ivSalt) });
  return encryptHeader(header, { ...o, scheme, key, ivSalt, psshBoxes: psshBoxesOf(key, scheme) });
}

/** A media segment of DASH: the stored fragment, protected as its track is to be. Throws as `encryptFragment`. */
export function packageDashFragment(
  stored: Uint8Array,
  o: { readonly track: Track; readonly entry: FragmentEntry; readonly protection: Protection | undefined },
): Uint8Array {
  const key = o.protection?.keyOf(o.track);
  if (key === undefined || o.protection === undefined) return stored;
  const { scheme, ivSalt } = o.protection;
  if (scheme === 'aes128') return encryptSegment([stored], { key, iv: envelopeIv(ivSalt) });
  return encryptFragment(stored, { ...o, scheme, key, ivSalt });
}
