import { envelopeIv } from '../drm/segment-encryption.ts';
import { encryptFragment } from '../encryption/fragment-encryption.ts';
import { encryptSegment } from '../encryption/segment-encryption.ts';
import { type SmoothTime, writeSmoothFragment } from '../formats/isobmff/smooth-fragment.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Protection } from '../model/protection.ts';
import type { Track } from '../model/track.ts';

/**
 * A fragment of Smooth Streaming made of a stored one, protected as its track is to be: samples with PIFF 1.1's box for
 * `cenc`, all of it for `aes128`. `following` is what `findSmoothFragment` found. Throws `MalformedFragment`, or a
 * RangeError for a track that `isInSmooth` refuses.
 */
export function packageSmoothFragment(
  stored: Uint8Array,
  o: {
    readonly track: Track;
    readonly entry: FragmentEntry;
    readonly following: readonly FragmentEntry[];
    readonly protection: Protection | undefined;
  },
): Uint8Array {
  const { track, entry, protection } = o;
  const times = { time: timeOf(entry), following: o.following.map(timeOf) };
  const key = protection?.keyOf(track);
  if (key === undefined || protection === undefined) return writeSmoothFragment(stored, times);
  const { scheme, ivSalt } = protection;
  switch (scheme) {
    case 'aes128':
      return encryptSegment([writeSmoothFragment(stored, times)], { key, iv: envelopeIv(ivSalt) });
    case 'cenc':
      return writeSmoothFragment(
        encryptFragment(stored, { track, entry, scheme, key, ivSalt, boxes: 'piff' }),
        times,
      );
    case 'cbcs':
      throw new RangeError('Smooth Streaming has no cbcs');
  }
}

function timeOf({ decodeTimeTicks, durationTicks }: FragmentEntry): SmoothTime {
  return { startTicks: decodeTimeTicks, durationTicks };
}
