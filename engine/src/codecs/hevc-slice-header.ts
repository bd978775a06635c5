import { HEVC_PPS_ID_MAX, HEVC_REFERENCES_MAX, type HevcPps } from './hevc-pps.ts';
import { readReferencePictureSet, usedPictures } from './hevc-reference-pictures.ts';
import type { HevcSps } from './hevc-sps.ts';
import { MalformedCodecConfiguration } from './malformed-codec-configuration.ts';
import type { NalBitReader } from './nal-bit-reader.ts';
import { atMost } from './parameter-set.ts';

/** The parameter sets of a slice. */
export interface HevcSliceContext {
  readonly pps: HevcPps;
  readonly sps: HevcSps;
}

const SLICE_B = 0;
const SLICE_I = 2;
const NAL_UNIT_TYPE = { bla: 16, idrWithRadl: 19, idr: 20, lastIrap: 23 } as const;
const ENTRY_POINTS_MAX = 440 * 135;
const EXTENSION_BYTES_MAX = 256;
const LONG_TERM_PICTURES_MAX = 33;
/** The profiles of screen content coding, whose headers have more in them. */
const SCREEN_CONTENT_PROFILES: ReadonlySet<number> = new Set([9, 11]);

/**
 * Reads the header of a slice segment of the base layer, ITU-T H.265 §7.3.6.1, of a reader opened at the NAL unit, and
 * leaves it after the header's last byte. Throws a RangeError, `UnexpectedEndOfData` or `MalformedCodecConfiguration`
 * when it cannot be read.
 */
export function readHevcSliceHeader(
  reader: NalBitReader,
  contextOf: (ppsId: number) => HevcSliceContext | undefined,
): void {
  const nalType = (reader.readBits(16) >>> 9) & 0x3f;
  const isFirst = reader.readFlag();
  if (nalType >= NAL_UNIT_TYPE.bla && nalType <= NAL_UNIT_TYPE.lastIrap) reader.skipBits(1); // no_output_of_prior_pics
  const ppsId = atMost('slice_pic_parameter_set_id', reader.readUnsignedExpGolomb(), HEVC_PPS_ID_MAX);
  const context = contextOf(ppsId);
  if (context === undefined)
    throw new MalformedCodecConfiguration(`a slice of PPS ${ppsId}, which is unknown`);
  const { pps, sps } = context;
  if (SCREEN_CONTENT_PROFILES.has(sps.slices.profileIdc)) {
    throw new MalformedCodecConfiguration('screen content coding');
  }
  let isDependent = false;
  if (!isFirst) {
    isDependent = pps.hasDependentSlices && reader.readFlag();
    reader.skipBits(bitsFor(sps.slices.pictureSizeInBlocks)); // slice_segment_address
  }
  if (!isDependent) readIndependentPart(reader, context, nalType);
  if (pps.hasEntryPoints) readEntryPoints(reader);
  if (pps.hasHeaderExtension) {
    const bytes = reader.readUnsignedExpGolomb();
    reader.skipBits(8 * atMost('slice_segment_header_extension_length', bytes, EXTENSION_BYTES_MAX));
  }
  reader.skipBits(1); // §7.3.2.12, byte_alignment(): a one, and zeros to the end of the byte
}

/** Ceil(Log2(count)). */
function bitsFor(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

function readEntryPoints(reader: NalBitReader): void {
  const count = atMost('num_entry_point_offsets', reader.readUnsignedExpGolomb(), ENTRY_POINTS_MAX);
  if (count > 0)
    reader.skipBits(count * (1 + atMost('offset_len_minus1', reader.readUnsignedExpGolomb(), 31)));
}

function readIndependentPart(reader: NalBitReader, context: HevcSliceContext, nalType: number): void {
  const { pps, sps } = context;
  reader.skipBits(pps.extraHeaderBits);
  const type = atMost('slice_type', reader.readUnsignedExpGolomb(), 2);
  if (pps.hasOutputFlag) reader.skipBits(1);
  if (sps.slices.hasSeparatePlanes) reader.skipBits(2);
  const isIdr = nalType === NAL_UNIT_TYPE.idrWithRadl || nalType === NAL_UNIT_TYPE.idr;
  const pictures = isIdr ? NO_PICTURES : readPictures(reader, sps);
  let isFiltered = false;
  if (sps.slices.hasSampleAdaptiveOffset) {
    isFiltered = reader.readFlag(); // slice_sao_luma_flag
    if (hasChroma(sps)) isFiltered = reader.readFlag() || isFiltered;
  }
  if (type !== SLICE_I) readReferences(reader, context, { isB: type === SLICE_B, ...pictures });
  reader.readSignedExpGolomb(); // slice_qp_delta
  if (pps.hasChromaOffsets) readSigned(reader, 2);
  if (pps.hasChromaOffsetLists) reader.skipBits(1); // cu_chroma_qp_offset_enabled_flag
  const isDeblocked = readDeblocking(reader, pps);
  if (pps.isFilteredAcrossSlices && (isFiltered || isDeblocked)) reader.skipBits(1);
}

/** Returns whether the deblocking filter is on. */
function readDeblocking(reader: NalBitReader, pps: HevcPps): boolean {
  const isOverridden = pps.hasDeblockingOverride && reader.readFlag();
  if (!isOverridden) return !pps.isDeblockingDisabled;
  if (reader.readFlag()) return false;
  readSigned(reader, 2); // slice_beta_offset_div2, slice_tc_offset_div2
  return true;
}

function hasChroma({ chromaFormatIdc, slices }: HevcSps): boolean {
  return chromaFormatIdc !== 0 && !slices.hasSeparatePlanes;
}

interface SlicePictures {
  /** NumPicTotalCurr, §7.4.7.2. */
  readonly used: number;
  readonly isTemporal: boolean;
}

const NO_PICTURES: SlicePictures = { used: 0, isTemporal: false };

/** From slice_pic_order_cnt_lsb to slice_temporal_mvp_enabled_flag. */
function readPictures(reader: NalBitReader, { slices }: HevcSps): SlicePictures {
  reader.skipBits(slices.pictureOrderBits);
  const sets = slices.referencePictureSets;
  let shortTerm = 0;
  if (reader.readFlag()) {
    const set = sets[reader.readBits(bitsFor(sets.length))];
    if (set === undefined)
      throw new MalformedCodecConfiguration('a slice of a reference picture set that is not there');
    shortTerm = usedPictures(set);
  } else {
    shortTerm = usedPictures(readReferencePictureSet(reader, sets, true));
  }
  const longTerm = slices.longTermPictures;
  const used =
    shortTerm + (longTerm === undefined ? 0 : readLongTerm(reader, longTerm, slices.pictureOrderBits));
  return { used, isTemporal: slices.hasTemporalPrediction && reader.readFlag() };
}

/** Returns how many of them are used. */
function readLongTerm(reader: NalBitReader, known: readonly boolean[], pictureOrderBits: number): number {
  const ofSps = known.length > 0 ? reader.readUnsignedExpGolomb() : 0;
  const count = atMost('long-term pictures', ofSps + reader.readUnsignedExpGolomb(), LONG_TERM_PICTURES_MAX);
  let used = 0;
  for (let picture = 0; picture < count; picture += 1) {
    if (picture >= ofSps) reader.skipBits(pictureOrderBits);
    const isUsed =
      picture >= ofSps ? reader.readFlag() : known[reader.readBits(bitsFor(known.length))] === true;
    if (isUsed) used += 1;
    if (reader.readFlag()) reader.readUnsignedExpGolomb(); // delta_poc_msb_cycle_lt
  }
  return used;
}

/** Of P and B slices, up to five_minus_max_num_merge_cand. */
function readReferences(
  reader: NalBitReader,
  { pps, sps }: HevcSliceContext,
  slice: SlicePictures & { readonly isB: boolean },
): void {
  const active = readActiveReferences(reader, pps, slice.isB);
  if (pps.hasListModification && slice.used > 1) {
    for (const references of active) readListModification(reader, references, slice.used);
  }
  if (slice.isB) reader.skipBits(1); // mvd_l1_zero_flag
  if (pps.hasCabacInit) reader.skipBits(1);
  if (slice.isTemporal) {
    const list = !slice.isB || reader.readFlag() ? 0 : 1; // collocated_from_l0_flag
    if ((active[list] ?? 0) > 1) reader.readUnsignedExpGolomb(); // collocated_ref_idx
  }
  const isWeighted = slice.isB ? pps.hasWeightedBiprediction : pps.hasWeightedPrediction;
  if (isWeighted) readWeightTable(reader, active, hasChroma(sps));
  reader.readUnsignedExpGolomb(); // five_minus_max_num_merge_cand
}

/** How many pictures each list has: one list in P slices, two in B slices. */
function readActiveReferences(reader: NalBitReader, pps: HevcPps, isB: boolean): readonly number[] {
  const defaults = isB ? pps.activeReferences : pps.activeReferences.slice(0, 1);
  if (!reader.readFlag()) return defaults;
  return defaults.map(
    () => 1 + atMost('num_ref_idx_active_minus1', reader.readUnsignedExpGolomb(), HEVC_REFERENCES_MAX - 2),
  );
}

/** §7.3.6.2, of one list. */
function readListModification(reader: NalBitReader, references: number, used: number): void {
  if (reader.readFlag()) reader.skipBits(references * bitsFor(used));
}

/** §7.3.6.3. */
function readWeightTable(reader: NalBitReader, active: readonly number[], hasChromaWeights: boolean): void {
  reader.readUnsignedExpGolomb(); // luma_log2_weight_denom
  if (hasChromaWeights) reader.readSignedExpGolomb(); // delta_chroma_log2_weight_denom
  for (const references of active) readWeights(reader, references, hasChromaWeights);
}

/** Of one list: all flags come first. A reference is never the picture itself. */
function readWeights(reader: NalBitReader, references: number, hasChromaWeights: boolean): void {
  const luma = reader.readBits(references);
  const chroma = hasChromaWeights ? reader.readBits(references) : 0;
  for (let reference = references - 1; reference >= 0; reference -= 1) {
    if (((luma >>> reference) & 1) === 1) readSigned(reader, 2);
    if (((chroma >>> reference) & 1) === 1) readSigned(reader, 4);
  }
}

function readSigned(reader: NalBitReader, count: number): void {
  for (let element = 0; element < count; element += 1) reader.readSignedExpGolomb();
}
