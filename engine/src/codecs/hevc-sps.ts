import type { BitReader } from '../bits/bit-reader.ts';
import { openHevcParameterSet } from './hevc-parameter-set.ts';
import { readProfileTierLevel } from './hevc-profile.ts';
import {
  type ReferencePictureSet,
  readReferencePictureSet,
  SHORT_TERM_SETS_MAX,
} from './hevc-reference-pictures.ts';
import { skipHevcScalingLists } from './hevc-scaling-lists.ts';
import { MalformedCodecConfiguration, parsingConfiguration } from './malformed-codec-configuration.ts';
import { atMost } from './parameter-set.ts';
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
  readonly slices: HevcSliceLayout;
}

/** What the headers of slices are read by, §7.3.6.1. */
export interface HevcSliceLayout {
  readonly spsId: number;
  readonly profileIdc: number;
  readonly hasSeparatePlanes: boolean;
  readonly pictureOrderBits: number;
  readonly pictureSizeInBlocks: number;
  readonly referencePictureSets: readonly ReferencePictureSet[];
  /** Of each long-term picture of the SPS, whether it is used; undefined: slices tell of none. */
  readonly longTermPictures: readonly boolean[] | undefined;
  readonly hasTemporalPrediction: boolean;
  readonly hasSampleAdaptiveOffset: boolean;
}

const NAL_UNIT_TYPE_VPS = 32;
const NAL_UNIT_TYPE_SPS = 33;
const SPS_ID_MAX = 15;
const CODING_TREE_BLOCK_LOG2_MAX = 6;
const DIMENSION_MAX = 16_384;
const FRAME_RATE_MAX = 1000;
const SUB_LAYERS_MINUS_1_MAX = 6;
const LONG_TERM_REF_PICS_MAX = 32;
const LAYER_SETS_MINUS_1_MAX = 1023;

/** Parses an SPS NAL unit (with its header). Throws `MalformedCodecConfiguration`. */
export function parseHevcSps(nalUnit: Uint8Array): HevcSps {
  return parsingConfiguration('HEVC SPS', () => readSps(openHevcParameterSet(nalUnit, NAL_UNIT_TYPE_SPS)));
}

/** The frame rate that a VPS NAL unit declares, §7.3.2.1. Throws `MalformedCodecConfiguration`. */
export function parseHevcVpsFrameRate(nalUnit: Uint8Array): number | undefined {
  return parsingConfiguration('VPS', () =>
    readVpsFrameRate(openHevcParameterSet(nalUnit, NAL_UNIT_TYPE_VPS)),
  );
}

function readSps(reader: BitReader): HevcSps {
  reader.skipBits(4); // sps_video_parameter_set_id
  const maxSubLayersMinus1 = atMost('sps_max_sub_layers_minus1', reader.readBits(3), SUB_LAYERS_MINUS_1_MAX);
  reader.skipBits(1); // sps_temporal_id_nesting_flag
  const { profileIdc } = readProfileTierLevel(reader, maxSubLayersMinus1);
  const spsId = atMost('sps_seq_parameter_set_id', reader.readUnsignedExpGolomb(), SPS_ID_MAX);
  const chromaFormatIdc = atMost('chroma_format_idc', reader.readUnsignedExpGolomb(), 3);
  const hasSeparatePlanes = chromaFormatIdc === 3 && reader.readFlag();
  const { coded, ...size } = readPictureSize(reader, hasSeparatePlanes ? 0 : chromaFormatIdc);
  const bitDepthLuma = 8 + atMost('bit_depth_luma_minus8', reader.readUnsignedExpGolomb(), 8);
  const bitDepthChroma = 8 + atMost('bit_depth_chroma_minus8', reader.readUnsignedExpGolomb(), 8);
  const tools = readCodingTools(reader, { maxSubLayersMinus1, coded });
  const vui = reader.readFlag() ? readVui(reader) : NO_VUI;
  const slices = { spsId, profileIdc, hasSeparatePlanes, ...tools };
  return { ...size, chromaFormatIdc, bitDepthLuma, bitDepthChroma, ...vui, slices };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function readPictureSize(reader: BitReader, chromaArrayType: number): Size & { readonly coded: Size } {
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
  return { width, height, coded: { width: codedWidth, height: codedHeight } };
}

function readWindow(reader: BitReader): { horizontal: number; vertical: number } {
  const horizontal = reader.readUnsignedExpGolomb() + reader.readUnsignedExpGolomb();
  const vertical = reader.readUnsignedExpGolomb() + reader.readUnsignedExpGolomb();
  return { horizontal, vertical };
}

type CodingTools = Omit<HevcSliceLayout, 'spsId' | 'profileIdc' | 'hasSeparatePlanes'>;

/** From log2_max_pic_order_cnt_lsb_minus4 to strong_intra_smoothing_enabled_flag. */
function readCodingTools(
  reader: BitReader,
  { maxSubLayersMinus1, coded }: { readonly maxSubLayersMinus1: number; readonly coded: Size },
): CodingTools {
  const pictureOrderBits =
    4 + atMost('log2_max_pic_order_cnt_lsb_minus4', reader.readUnsignedExpGolomb(), 12);
  skipSubLayerOrdering(reader, maxSubLayersMinus1);
  const smallestLog2 = 3 + reader.readUnsignedExpGolomb(); // log2_min_luma_coding_block_size_minus3
  const blockLog2 = smallestLog2 + reader.readUnsignedExpGolomb();
  const blockSize = 2 ** atMost('CtbLog2SizeY', blockLog2, CODING_TREE_BLOCK_LOG2_MAX);
  // Transform block sizes (2) and transform depths (2).
  for (let element = 0; element < 4; element += 1) reader.readUnsignedExpGolomb();
  if (reader.readFlag() && reader.readFlag()) skipHevcScalingLists(reader);
  reader.skipBits(1); // amp_enabled_flag
  const hasSampleAdaptiveOffset = reader.readFlag();
  if (reader.readFlag()) {
    reader.skipBits(8); // pcm bit depths
    reader.readUnsignedExpGolomb();
    reader.readUnsignedExpGolomb();
    reader.skipBits(1); // pcm_loop_filter_disabled_flag
  }
  const referencePictureSets = readReferencePictureSets(reader);
  const longTermPictures = readLongTermPictures(reader, pictureOrderBits);
  const hasTemporalPrediction = reader.readFlag();
  reader.skipBits(1); // strong_intra_smoothing_enabled_flag
  return {
    pictureOrderBits,
    pictureSizeInBlocks: Math.ceil(coded.width / blockSize) * Math.ceil(coded.height / blockSize),
    ...{ referencePictureSets, longTermPictures, hasTemporalPrediction, hasSampleAdaptiveOffset },
  };
}

/** §7.3.2.2.1 and §7.3.2.1: three numbers for each sub-layer, or for the highest alone. */
function skipSubLayerOrdering(reader: BitReader, maxSubLayersMinus1: number): void {
  const count = reader.readFlag() ? maxSubLayersMinus1 + 1 : 1;
  for (let element = 0; element < 3 * count; element += 1) reader.readUnsignedExpGolomb();
}

function readReferencePictureSets(reader: BitReader): ReferencePictureSet[] {
  const count = atMost('num_short_term_ref_pic_sets', reader.readUnsignedExpGolomb(), SHORT_TERM_SETS_MAX);
  const sets: ReferencePictureSet[] = [];
  for (let index = 0; index < count; index += 1) sets.push(readReferencePictureSet(reader, sets, false));
  return sets;
}

/** §7.3.2.2.1, at long_term_ref_pics_present_flag: of each long-term picture, whether it is used; undefined: none are. */
function readLongTermPictures(reader: BitReader, pictureOrderBits: number): boolean[] | undefined {
  if (!reader.readFlag()) return undefined;
  const count = atMost('num_long_term_ref_pics_sps', reader.readUnsignedExpGolomb(), LONG_TERM_REF_PICS_MAX);
  return Array.from({ length: count }, () => {
    reader.skipBits(pictureOrderBits);
    return reader.readFlag();
  });
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
  readProfileTierLevel(reader, maxSubLayersMinus1);
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
