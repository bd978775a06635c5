import { parseFragment } from '../formats/isobmff/fragment-reader.ts';
import { writeFragment } from '../formats/isobmff/fragment-writer.ts';
import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';

/**
 * The key frame that a stored fragment begins with, as a fragment of its own: players show it for as long as the whole
 * one lasts. Throws `MalformedFragment`.
 */
export function keyFrameFragment(
  stored: Uint8Array,
  { track, entry }: { readonly track: Track; readonly entry: FragmentEntry },
): Uint8Array {
  const { sequence, decodeTimeTicks, samples } = parseFragment(stored);
  const [first] = samples;
  if (first === undefined) throw new MalformedFragment('a fragment without samples');
  const data = stored.subarray(first.offset, first.offset + first.sizeBytes);
  const sample = { ...first, dtsTicks: decodeTimeTicks, durationTicks: entry.durationTicks, data };
  const { head, payload } = writeFragment({ track, sequence, decodeTimeTicks, samples: [sample] });
  return Buffer.concat([head, ...payload]);
}
