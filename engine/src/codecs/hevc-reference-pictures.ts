import { atMost } from './parameter-set.ts';

/** What both readers of bits can do: of parameter sets, and of slices. */
interface HevcBits {
  readBits(count: number): number;
  readFlag(): boolean;
  skipBits(count: number): void;
  readUnsignedExpGolomb(): number;
}

/** A picture of a short-term set: how far it is from the current one, and whether that one uses it. */
interface ReferencePicture {
  readonly delta: number;
  readonly isUsed: boolean;
}

/** ITU-T H.265 §7.4.8: first those before the current picture, the nearest first, then those after it. */
export interface ReferencePictureSet {
  readonly before: readonly ReferencePicture[];
  readonly after: readonly ReferencePicture[];
}

export const SHORT_TERM_SETS_MAX = 64;
const PICTURES_PER_SET_MAX = 16;
const DELTA_MAX = 2 ** 15 - 1;

/** How many pictures of a set the current one uses. */
export function usedPictures({ before, after }: ReferencePictureSet): number {
  return [...before, ...after].filter(({ isUsed }) => isUsed).length;
}

/** `st_ref_pic_set(index)`, §7.3.7; `known` are the sets of the SPS before it, or all of them in a slice. */
export function readReferencePictureSet(
  reader: HevcBits,
  known: readonly ReferencePictureSet[],
  isInSlice: boolean,
): ReferencePictureSet {
  return known.length > 0 && reader.readFlag()
    ? readPredictedSet(reader, known, isInSlice)
    : readExplicitSet(reader);
}

function readExplicitSet(reader: HevcBits): ReferencePictureSet {
  const negative = atMost('num_negative_pics', reader.readUnsignedExpGolomb(), PICTURES_PER_SET_MAX);
  const positive = atMost('num_positive_pics', reader.readUnsignedExpGolomb(), PICTURES_PER_SET_MAX);
  return {
    before: readPictures(reader, negative, -1),
    after: readPictures(reader, positive, 1),
  };
}

function readPictures(reader: HevcBits, count: number, sign: number): ReferencePicture[] {
  let delta = 0;
  return Array.from({ length: count }, () => {
    delta += sign * (1 + atMost('delta_poc_minus1', reader.readUnsignedExpGolomb(), DELTA_MAX));
    return { delta, isUsed: reader.readFlag() };
  });
}

/** §7.4.8, equations 7-61 and 7-62: the pictures of another set, seen from elsewhere, and where that one was. */
function readPredictedSet(
  reader: HevcBits,
  known: readonly ReferencePictureSet[],
  isInSlice: boolean,
): ReferencePictureSet {
  const distance = isInSlice ? 1 + reader.readUnsignedExpGolomb() : 1; // delta_idx_minus1
  const reference = known[known.length - atMost('delta_idx', distance, known.length)];
  const isNegative = reader.readFlag(); // delta_rps_sign
  const size = 1 + atMost('abs_delta_rps_minus1', reader.readUnsignedExpGolomb(), DELTA_MAX);
  const shift = isNegative ? -size : size;
  const deltas = [...(reference?.before ?? []), ...(reference?.after ?? [])].map(({ delta }) => delta);
  const pictures: ReferencePicture[] = [];
  // The last one is the reference's own place.
  for (const delta of [...deltas, 0]) {
    const isUsed = reader.readFlag(); // used_by_curr_pic_flag
    const isKept = isUsed || reader.readFlag(); // use_delta_flag
    if (isKept) pictures.push({ delta: delta + shift, isUsed });
  }
  const before = pictures.filter(({ delta }) => delta < 0).sort((a, b) => b.delta - a.delta);
  const after = pictures.filter(({ delta }) => delta > 0).sort((a, b) => a.delta - b.delta);
  atMost('pictures of a predicted set', before.length + after.length, PICTURES_PER_SET_MAX);
  return { before, after };
}
