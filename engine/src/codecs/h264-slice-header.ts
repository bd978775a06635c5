import { H264_PPS_ID_MAX, type H264Pps, REFERENCES_MAX } from './h264-pps.ts';
import type { H264Sps } from './h264-sps.ts';
import { MalformedCodecConfiguration } from './malformed-codec-configuration.ts';
import type { NalBitReader } from './nal-bit-reader.ts';
import { atMost } from './parameter-set.ts';

/** The parameter sets of a slice. */
export interface H264SliceContext {
  readonly pps: H264Pps;
  readonly sps: H264Sps;
}

const SLICE_P = 0;
const SLICE_B = 1;
const SLICE_I = 2;
const SLICE_SP = 3;
const SLICE_SI = 4;
const NAL_UNIT_TYPE_IDR = 5;
const LIST_COMMANDS_MAX = 2 * REFERENCES_MAX + 2;
const MARKING_COMMANDS_MAX = 2 * REFERENCES_MAX + 4;

/**
 * Reads a slice's header, ISO/IEC 14496-10 §7.3.3, of a reader opened at the NAL unit (type 1, 2 or 5), and leaves it
 * after the last byte that holds some of it. Throws a RangeError, `UnexpectedEndOfData` or `MalformedCodecConfiguration`
 * when it cannot be read.
 */
export function readH264SliceHeader(
  reader: NalBitReader,
  contextOf: (ppsId: number) => H264SliceContext | undefined,
): void {
  const nalHeader = reader.readBits(8);
  const isIdr = (nalHeader & 0x1f) === NAL_UNIT_TYPE_IDR;
  reader.readUnsignedExpGolomb(); // first_mb_in_slice
  const type = atMost('slice_type', reader.readUnsignedExpGolomb(), 9) % 5;
  const ppsId = atMost('pic_parameter_set_id', reader.readUnsignedExpGolomb(), H264_PPS_ID_MAX);
  const context = contextOf(ppsId);
  if (context === undefined)
    throw new MalformedCodecConfiguration(`a slice of PPS ${ppsId}, which is unknown`);
  const { pps } = context;
  readPicture(reader, context, isIdr);
  if (pps.hasRedundantPictures) reader.readUnsignedExpGolomb();
  if (type === SLICE_B) reader.skipBits(1); // direct_spatial_mv_pred_flag
  if (type !== SLICE_I && type !== SLICE_SI) readReferences(reader, context, type);
  if ((nalHeader & 0x60) !== 0) readMarking(reader, isIdr);
  if (pps.isCabac && type !== SLICE_I && type !== SLICE_SI) reader.readUnsignedExpGolomb(); // cabac_init_idc
  reader.readSignedExpGolomb(); // slice_qp_delta
  if (type === SLICE_SP) reader.skipBits(1); // sp_for_switch_flag
  if (type === SLICE_SP || type === SLICE_SI) reader.readSignedExpGolomb(); // slice_qs_delta
  if (pps.hasDeblockingControl && reader.readUnsignedExpGolomb() !== 1) {
    reader.readSignedExpGolomb(); // slice_alpha_c0_offset_div2
    reader.readSignedExpGolomb(); // slice_beta_offset_div2
  }
}

/** From colour_plane_id to delta_pic_order_cnt. */
function readPicture(reader: NalBitReader, { pps, sps }: H264SliceContext, isIdr: boolean): void {
  const { slices } = sps;
  if (slices.hasSeparatePlanes) reader.skipBits(2);
  reader.skipBits(slices.frameNumberBits);
  const isField = !slices.isFrameOnly && reader.readFlag();
  if (isField) reader.skipBits(1); // bottom_field_flag
  if (isIdr) reader.readUnsignedExpGolomb(); // idr_pic_id
  const hasBottom = pps.hasFieldOrder && !isField;
  if (slices.pictureOrderType === 0) {
    reader.skipBits(slices.pictureOrderBits);
    if (hasBottom) reader.readSignedExpGolomb();
  } else if (slices.pictureOrderType === 1 && !slices.isPictureOrderDeltaZero) {
    reader.readSignedExpGolomb();
    if (hasBottom) reader.readSignedExpGolomb();
  }
}

/** Of P, SP and B slices: how many pictures they use, in which order, with which weights. */
function readReferences(reader: NalBitReader, { pps, sps }: H264SliceContext, type: number): void {
  const isB = type === SLICE_B;
  let [first, second] = pps.activeReferences;
  if (reader.readFlag()) {
    first = 1 + atMost('num_ref_idx_l0_active_minus1', reader.readUnsignedExpGolomb(), REFERENCES_MAX - 1);
    if (isB) {
      second = 1 + atMost('num_ref_idx_l1_active_minus1', reader.readUnsignedExpGolomb(), REFERENCES_MAX - 1);
    }
  }
  readListModification(reader);
  if (isB) readListModification(reader);
  const isWeighted = isB ? pps.weightedBipredictionIdc === 1 : pps.hasWeightedPrediction;
  if (!isWeighted || (type !== SLICE_P && type !== SLICE_SP && !isB)) return;
  const hasChroma = sps.chromaFormatIdc !== 0 && !sps.slices.hasSeparatePlanes;
  reader.readUnsignedExpGolomb(); // luma_log2_weight_denom
  if (hasChroma) reader.readUnsignedExpGolomb();
  readWeights(reader, first, hasChroma);
  if (isB) readWeights(reader, second, hasChroma);
}

/** §7.3.3.1, of one list. */
function readListModification(reader: NalBitReader): void {
  if (!reader.readFlag()) return;
  for (let command = 0; command < LIST_COMMANDS_MAX; command += 1) {
    if (atMost('modification_of_pic_nums_idc', reader.readUnsignedExpGolomb(), 3) === 3) return;
    reader.readUnsignedExpGolomb();
  }
  throw new RangeError(`more than ${LIST_COMMANDS_MAX} list modifications`);
}

/** §7.3.3.2, of one list. */
function readWeights(reader: NalBitReader, references: number, hasChroma: boolean): void {
  for (let reference = 0; reference < references; reference += 1) {
    if (reader.readFlag()) readSigned(reader, 2);
    if (hasChroma && reader.readFlag()) readSigned(reader, 4);
  }
}

function readSigned(reader: NalBitReader, count: number): void {
  for (let element = 0; element < count; element += 1) reader.readSignedExpGolomb();
}

/** §7.3.3.3: how many numbers follow each memory_management_control_operation. */
const MARKING_OPERANDS = [0, 1, 1, 2, 1, 0, 1] as const;

function readMarking(reader: NalBitReader, isIdr: boolean): void {
  if (isIdr) {
    reader.skipBits(2);
    return;
  }
  if (!reader.readFlag()) return;
  for (let command = 0; command < MARKING_COMMANDS_MAX; command += 1) {
    const operation = atMost('memory_management_control_operation', reader.readUnsignedExpGolomb(), 6);
    if (operation === 0) return;
    for (let operand = 0; operand < (MARKING_OPERANDS[operation] ?? 0); operand += 1) {
      reader.readUnsignedExpGolomb();
    }
  }
  throw new RangeError(`more than ${MARKING_COMMANDS_MAX} reference picture markings`);
}
