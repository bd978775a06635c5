import { ByteReader } from '../../bits/byte-reader.ts';
import { type Box, getBox, readBoxes } from './box-reader.ts';
import { MalformedFragment, parsingFragment } from './malformed-fragment.ts';

/** Where a fragment of a track begins that has a key frame. */
export interface IndexedFragment {
  /** In the track's timescale, of the first key frame's presentation. */
  readonly time: bigint;
  /** Of its `moof`, in the file. */
  readonly offset: number;
}

/** Of one track: 3 days of fragments of 2 s. */
const ENTRIES_MAX = 131_072;

/**
 * The index at the end of a fragmented file: an `mfra` (a whole box, ISO/IEC 14496-12 §8.8.9) by track_ID, in the order of
 * the file, each fragment once. Throws `MalformedFragment`.
 */
export function parseFragmentIndex(mfra: Uint8Array): ReadonlyMap<number, readonly IndexedFragment[]> {
  return parsingFragment('mfra', () => {
    const boxes = readBoxes(getBox(readBoxes(mfra), 'mfra').body);
    return new Map(boxes.filter(({ type }) => type === 'tfra').map(readTfra));
  });
}

/** §8.8.10 */
function readTfra({ body }: Box): [number, readonly IndexedFragment[]] {
  const reader = new ByteReader(body);
  const isLong = reader.u8() === 1;
  reader.skip(3);
  const trackId = reader.u32();
  const lengths = reader.u32();
  /** Of the numbers of traf, trun and sample, of which each has 1 to 4 bytes. */
  const rest = [4, 2, 0].reduce((sum, shift) => sum + ((lengths >> shift) & 3) + 1, 0);
  const count = reader.u32();
  if (count > ENTRIES_MAX) throw new MalformedFragment(`${count} fragments exceed ${ENTRIES_MAX}`);
  const fragments: IndexedFragment[] = [];
  for (let entry = 0; entry < count; entry += 1) {
    const time = isLong
      ? BigInt.asIntN(64, (BigInt(reader.u32()) << 32n) | BigInt(reader.u32()))
      : BigInt(reader.u32());
    const offset = isLong ? reader.u64() : reader.u32();
    reader.skip(rest);
    const last = fragments.at(-1);
    if (last?.offset === offset) continue;
    if (last !== undefined && (offset < last.offset || time <= last.time)) {
      throw new MalformedFragment('an index of fragments that is not in order');
    }
    fragments.push({ time, offset });
  }
  return [trackId, fragments];
}
