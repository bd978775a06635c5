import { envelopeIv } from '../drm/segment-encryption.ts';
import { encryptFragment } from '../encryption/fragment-encryption.ts';
import { encryptSegment } from '../encryption/segment-encryption.ts';
import { type SmoothTime, toSmoothFragment } from '../formats/isobmff/smooth-fragment.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Protection } from '../model/protection.ts';
import type { Track } from '../model/track.ts';

/** More than what a head grows by: `tfxd`, `tfrf`, a data offset for each run. */
const HEAD_ROOM_BYTES = 8192;

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
  if (key === undefined || protection === undefined) {
    const { head, payload } = toSmoothFragment(stored, times);
    const output = uncleared(head.length + payload.length);
    output.set(head);
    output.set(payload, head.length);
    return output;
  }
  const { scheme, ivSalt } = protection;
  switch (scheme) {
    case 'aes128': {
      const { head, payload } = toSmoothFragment(stored, times);
      return encryptSegment([head, payload], { key, iv: envelopeIv(ivSalt) });
    }
    case 'cenc': {
      let memory: Uint8Array = new Uint8Array();
      const allocate = (sizeBytes: number) => {
        memory = uncleared(HEAD_ROOM_BYTES + sizeBytes);
        return memory.subarray(HEAD_ROOM_BYTES);
      };
      const how = { track, entry, scheme, key, ivSalt, boxes: 'piff', allocate } as const;
      const encrypted = encryptFragment(stored, how);
      const { head, payload } = toSmoothFragment(encrypted, times);
      // The head that it has now takes the place of the one before it, which moves no sample.
      const start = payload.byteOffset - memory.byteOffset - head.length;
      memory.set(head, start);
      return memory.subarray(start, start + head.length + payload.length);
    }
    case 'cbcs':
      throw new RangeError('Smooth Streaming has no cbcs');
  }
}

/** Every byte of it must be written: a fresh Uint8Array would be cleared first, at the price of a copy. */
function uncleared(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}

function timeOf({ decodeTimeTicks, durationTicks }: FragmentEntry): SmoothTime {
  return { startTicks: decodeTimeTicks, durationTicks };
}
