import { BitReader } from '../bits/bit-reader.ts';
import { skipProfileTierLevel } from './hevc-profile.ts';
import { MalformedCodecConfiguration, parsingConfiguration } from './malformed-codec-configuration.ts';
import { atMost, removeEmulationPrevention } from './parameter-set.ts';
import { readVuiPicture, type VuiPicture } from './vui-picture.ts';

/** What a sequence parameter set says, ITU-T H.265 §7.3.2.2.1. */
export interface HevcSps extends VuiPicture {
  /** After the conformance window. */
  readonly width: number;
  readonly height: number;
  readonly chromaFormatIdc: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  /** Pictures per second, fields too, of the VUI; a VPS may have it instead. */
  readonly frameRate: number | undefined;
}

const NAL_UNIT_TYPE_VPS = 32;
const NAL_UNIT_TYPE_SPS = 33;
const PARAMETER_SET_SIZE_BYTES_MAX = 4096;
const DIMENSION_MAX = 16_384;
const FRAME_RATE_MAX = 1000;
const SUB_LAYERS_MINUS_1_MAX = 6;
const SHORT_TERM_REF_PIC_SETS_MAX = 64;
const PICTURES_PER_SET_MAX = 16;
const LONG_TERM_REF_PICS_MAX = 32;
const LAYER_SETS_MINUS_1_MAX = 1023;

/** Parses an SPS NAL unit (with its header). Throws `MalformedCodecConfiguration`. */
export function parseHevcSps(nalUnit: Uint8Array): HevcSps {
  return parsingConfiguration('HEVC SPS', () => readSps(openParameterSet(nalUnit, NAL_UNIT_TYPE_SPS)));
}

/** The frame rate that a VPS NAL unit declares, §7.3.2.1. Throws `MalformedCodecConfiguration`. */
export function parseHevcVpsFrameRate(nalUnit: Uint8Array): number | undefined {
  return parsingConfiguration('VPS', () => readVpsFrameRate(openParameterSet(nalUnit, NAL_UNIT_TYPE_VPS)));
}

function openParameterSet(nalUnit: Uint8Array, type: number): BitReader {
  if (nalUnit.length > PARAMETER_SET_SIZE_BYTES_MAX) {
    throw new MalformedCodecConfiguration(
      `parameter set of ${nalUnit.length} bytes exceeds ${PARAMETER_SET_SIZE_BYTES_MAX}`,
    );
  }
  const reader = new BitReader(removeEmulationPrevention(nalUnit));
  const found = (reader.readBits(16) >>> 9) & 0x3f;
  if (found !== type) {
    throw new MalformedCodecConfiguration(`NAL unit type ${found} where ${type} belongs`);
  }
  return reader;
}

function readSps(reader: BitReader): HevcSps {
  reader.skipBits(4); // sps_video_parameter_set_id
  const maxSubLayersMinus1 = atMost('sps_max_sub_layers_minus1', reader.readBits(3), SUB_LAYERS_MINUS_1_MAX);
  reader.skipBits(1); // sps_temporal_id_nesting_flag
  skipProfileTierLevel(reader, maxSubLayersMinus1);
  reader.readUnsignedExpGolomb(); // sps_seq_parameter_set_id
  const chromaFormatIdc = atMost('chroma_format_idc', reader.readUnsignedExpGolomb(), 3);
  const separatePlanes = chromaFormatIdc === 3 && reader.readFlag();
  const size = readPictureSize(reader, separatePlanes ? 0 : chromaFormatIdc);
  const bitDepthLuma = 8 + atMost('bit_depth_luma_minus8', reader.readUnsignedExpGolomb(), 8);
  const bitDepthChroma = 8 + atMost('bit_depth_chroma_minus8', reader.readUnsignedExpGolomb(), 8);
  skipCodingTools(reader, maxSubLayersMinus1);
  const vui = reader.readFlag() ? readVui(reader) : NO_VUI;
  return { ...size, chromaFormatIdc, bitDepthLuma, bitDepthChroma, ...vui };
}

function readPictureSize(reader: BitReader, chromaArrayType: number): { width: number; height: number } {
  const codedWidth = reader.readUnsignedExpGolomb();
  const codedHeight = reader.readUnsignedExpGolomb();
  const window = reader.readFlag() ? readWindow(reader) : { horizontal: 0, vertical: 0 };
  // Table 6-1: SubWidthC, SubHeightC.
  const unitX = chromaArrayType === 1 || chromaArrayType === 2 ? 2 : 1;
  const unitY = chromaArrayType === 1 ? 2 : 1;
  const width = codedWidth - window.horizontal * unitX;
  const height = codedHeight - window.vertical * unitY;
  if (width < 1 || height < 1 || width > DIMENSION_MAX || height > DIMENSION_MAX) {
    throw new MalformedCodecConfiguration(`picture of ${width}x${height}, limit ${DIMENSION_MAX}`);
  }
  return { width, height };
}

function readWindow(reader: BitReader): { horizontal: number; vertical: number } {
  const horizontal = reader.readUnsignedExpGolomb() + reader.readUnsignedExpGolomb();
  const vertical = reader.readUnsignedExpGolomb() + reader.readUnsignedExpGolomb();
  return { horizontal, vertical };
}

/** From log2_max_pic_order_cnt_lsb_minus4 to strong_intra_smoothing_enabled_flag. */
function skipCodingTools(reader: BitReader, maxSubLayersMinus1: number): void {
  const pocBits = 4 + atMost('log2_max_pic_order_cnt_lsb_minus4', reader.readUnsignedExpGolomb(), 12);
  skipSubLayerOrdering(reader, maxSubLayersMinus1);
  // Block sizes (4) and transform depths (2).
  for (let element = 0; element < 6; element += 1) reader.readUnsignedExpGolomb();
  if (reader.readFlag() && reader.readFlag()) skipScalingLists(reader);
  reader.skipBits(2); // amp_enabled_flag, sample_adaptive_offset_enabled_flag
  if (reader.readFlag()) {
    reader.skipBits(8); // pcm bit depths
    reader.readUnsignedExpGolomb();
    reader.readUnsignedExpGolomb();
    reader.skipBits(1); // pcm_loop_filter_disabled_flag
  }
  skipShortTermRefPicSets(reader);
  if (reader.readFlag()) {
    const count = reader.readUnsignedExpGolomb();
    reader.skipBits(atMost('num_long_term_ref_pics_sps', count, LONG_TERM_REF_PICS_MAX) * (pocBits + 1));
  }
  reader.skipBits(2); // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
}

/** §7.3.2.2.1 and §7.3.2.1: three numbers for each sub-layer, or for the highest alone. */
function skipSubLayerOrdering(reader: BitReader, maxSubLayersMinus1: number): void {
  const count = reader.readFlag() ? maxSubLayersMinus1 + 1 : 1;
  for (let element = 0; element < 3 * count; element += 1) reader.readUnsignedExpGolomb();
}

/** §7.3.4. */
function skipScalingLists(reader: BitReader): void {
  for (let sizeId = 0; sizeId < 4; sizeId += 1) {
    const matrices = sizeId === 3 ? 2 : 6;
    for (let matrix = 0; matrix < matrices; matrix += 1) skipScalingList(reader, sizeId);
  }
}

function skipScalingList(reader: BitReader, sizeId: number): void {
  if (!reader.readFlag()) {
    reader.readUnsignedExpGolomb(); // scaling_list_pred_matrix_id_delta
    return;
  }
  const dcCoefficients = sizeId > 1 ? 1 : 0;
  const coefficients = Math.min(64, 1 << (4 + 2 * sizeId)) + dcCoefficients;
  for (let index = 0; index < coefficients; index += 1) reader.readSignedExpGolomb();
}

/** §7.3.7: a set predicted from another has as many flags as that one has pictures, plus one. */
function skipShortTermRefPicSets(reader: BitReader): void {
  const sets = reader.readUnsignedExpGolomb();
  atMost('num_short_term_ref_pic_sets', sets, SHORT_TERM_REF_PIC_SETS_MAX);
  let pictures = 0;
  for (let index = 0; index < sets; index += 1) {
    const isPredicted = index > 0 && reader.readFlag();
    pictures = isPredicted ? readPredictedSet(reader, pictures) : readExplicitSet(reader);
  }
}

function readPredictedSet(reader: BitReader, picturesOfReference: number): number {
  reader.skipBits(1); // delta_rps_sign
  reader.readUnsignedExpGolomb(); // abs_delta_rps_minus1
  let pictures = 0;
  for (let index = 0; index <= picturesOfReference; index += 1) {
    // used_by_curr_pic_flag, else use_delta_flag
    if (reader.readFlag() || reader.readFlag()) pictures += 1;
  }
  return atMost('pictures of a predicted set', pictures, 2 * PICTURES_PER_SET_MAX);
}

function readExplicitSet(reader: BitReader): number {
  const negative = atMost('num_negative_pics', reader.readUnsignedExpGolomb(), PICTURES_PER_SET_MAX);
  const positive = atMost('num_positive_pics', reader.readUnsignedExpGolomb(), PICTURES_PER_SET_MAX);
  for (let picture = 0; picture < negative + positive; picture += 1) {
    reader.readUnsignedExpGolomb(); // delta_poc_s0_minus1 or delta_poc_s1_minus1
    reader.skipBits(1);
  }
  return negative + positive;
}

const NO_VUI = { sampleAspectRatio: undefined, colour: undefined, frameRate: undefined } as const;

/** §E.2.1, up to the timing. */
function readVui(reader: BitReader): VuiPicture & Pick<HevcSps, 'frameRate'> {
  const picture = readVuiPicture(reader);
  reader.skipBits(3); // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
  if (reader.readFlag()) readWindow(reader); // the default display window only recommends
  return { ...picture, frameRate: reader.readFlag() ? readPictureRate(reader) : undefined };
}

function readVpsFrameRate(reader: BitReader): number | undefined {
  reader.skipBits(4 + 2 + 6); // vps_video_parameter_set_id, base layer flags, vps_max_layers_minus1
  const maxSubLayersMinus1 = atMost('vps_max_sub_layers_minus1', reader.readBits(3), SUB_LAYERS_MINUS_1_MAX);
  reader.skipBits(1 + 16); // vps_temporal_id_nesting_flag, reserved
  skipProfileTierLevel(reader, maxSubLayersMinus1);
  skipSubLayerOrdering(reader, maxSubLayersMinus1);
  const layers = reader.readBits(6) + 1;
  const setsMinus1 = reader.readUnsignedExpGolomb();
  reader.skipBits(layers * atMost('vps_num_layer_sets_minus1', setsMinus1, LAYER_SETS_MINUS_1_MAX));
  return reader.readFlag() ? readPictureRate(reader) : undefined;
}

/** §E.3.1: unlike in H.264, a tick is a picture. */
function readPictureRate(reader: BitReader): number | undefined {
  const unitsInTick = reader.readBits(32);
  const timeScale = reader.readBits(32);
  if (unitsInTick === 0 || timeScale === 0) return undefined;
  const pictureRate = timeScale / unitsInTick;
  return pictureRate <= FRAME_RATE_MAX ? pictureRate : undefined;
}
