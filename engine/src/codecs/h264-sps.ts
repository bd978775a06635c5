import { BitReader } from '../bits/bit-reader.ts';
import { MalformedCodecConfiguration, parsingConfiguration } from './malformed-codec-configuration.ts';
import { atMost, removeEmulationPrevention } from './parameter-set.ts';
import { readVuiPicture, type VuiPicture } from './vui-picture.ts';

/** What a sequence parameter set says, ISO/IEC 14496-10 §7.3.2.1.1. */
export interface H264Sps {
  readonly profileIdc: number;
  readonly constraintFlags: number;
  readonly levelIdc: number;
  /** After cropping. */
  readonly width: number;
  readonly height: number;
  readonly chromaFormatIdc: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  readonly vui: H264Vui;
  readonly slices: H264SliceLayout;
}

/** What the headers of slices are read by, §7.3.3. */
export interface H264SliceLayout {
  readonly spsId: number;
  readonly hasSeparatePlanes: boolean;
  readonly frameNumberBits: number;
  readonly isFrameOnly: boolean;
  readonly pictureOrderType: number;
  /** Of type 0. */
  readonly pictureOrderBits: number;
  /** Of type 1: delta_pic_order_always_zero_flag. */
  readonly isPictureOrderDeltaZero: boolean;
}

export interface H264Vui extends VuiPicture {
  readonly frameRate: number | undefined;
}

const NAL_UNIT_TYPE_SPS = 7;
const SPS_SIZE_BYTES_MAX = 4096;
const SPS_ID_MAX = 31;
const DIMENSION_MAX = 16_384;
const REFERENCE_FRAMES_IN_CYCLE_MAX = 255;
const FRAME_RATE_MAX = 1000;
/** §7.3.2.1.1: the profiles whose parameter sets carry the chroma format and the scaling lists. */
const HIGH_PROFILES: ReadonlySet<number> = new Set([
  100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
]);
/** Parses an SPS NAL unit (with its header byte). Throws `MalformedCodecConfiguration`. */
export function parseH264Sps(nalUnit: Uint8Array): H264Sps {
  return parsingConfiguration('SPS', () => readSps(nalUnit));
}

function readSps(nalUnit: Uint8Array): H264Sps {
  if (nalUnit.length > SPS_SIZE_BYTES_MAX) {
    throw new MalformedCodecConfiguration(`SPS of ${nalUnit.length} bytes exceeds ${SPS_SIZE_BYTES_MAX}`);
  }
  const reader = new BitReader(removeEmulationPrevention(nalUnit));
  const nalUnitType = reader.readBits(8) & 0x1f;
  if (nalUnitType !== NAL_UNIT_TYPE_SPS) {
    throw new MalformedCodecConfiguration(`NAL unit type ${nalUnitType} where an SPS belongs`);
  }
  const profileIdc = reader.readBits(8);
  const constraintFlags = reader.readBits(8);
  const levelIdc = reader.readBits(8);
  const spsId = atMost('seq_parameter_set_id', reader.readUnsignedExpGolomb(), SPS_ID_MAX);
  const chroma = HIGH_PROFILES.has(profileIdc) ? readChroma(reader) : CHROMA_420_8_BIT;
  const frameNumberBits = 4 + atMost('log2_max_frame_num_minus4', reader.readUnsignedExpGolomb(), 12);
  const pictureOrder = readPictureOrderCount(reader);
  reader.readUnsignedExpGolomb(); // max_num_ref_frames
  reader.skipBits(1); // gaps_in_frame_num_value_allowed_flag
  const { isFrameOnly, ...size } = readPictureSize(reader, chroma);
  const vui = reader.readFlag() ? readVui(reader) : NO_VUI;
  const hasSeparatePlanes = chroma.format.chromaFormatIdc === 3 && chroma.arrayType === 0;
  const slices = { spsId, hasSeparatePlanes, frameNumberBits, isFrameOnly, ...pictureOrder };
  return { profileIdc, constraintFlags, levelIdc, ...size, ...chroma.format, vui, slices };
}

interface Chroma {
  readonly format: Pick<H264Sps, 'chromaFormatIdc' | 'bitDepthLuma' | 'bitDepthChroma'>;
  /** ChromaArrayType, §7.4.2.1.1: 0 also when the colour planes are coded apart. */
  readonly arrayType: number;
}

const CHROMA_420_8_BIT: Chroma = {
  format: { chromaFormatIdc: 1, bitDepthLuma: 8, bitDepthChroma: 8 },
  arrayType: 1,
};
const NO_VUI: H264Vui = { sampleAspectRatio: undefined, colour: undefined, frameRate: undefined };

function readChroma(reader: BitReader): Chroma {
  const chromaFormatIdc = atMost('chroma_format_idc', reader.readUnsignedExpGolomb(), 3);
  const separatePlanes = chromaFormatIdc === 3 && reader.readFlag();
  const bitDepthLuma = 8 + atMost('bit_depth_luma_minus8', reader.readUnsignedExpGolomb(), 6);
  const bitDepthChroma = 8 + atMost('bit_depth_chroma_minus8', reader.readUnsignedExpGolomb(), 6);
  reader.skipBits(1); // qpprime_y_zero_transform_bypass_flag
  if (reader.readFlag()) skipScalingLists(reader, chromaFormatIdc === 3 ? 12 : 8);
  return {
    format: { chromaFormatIdc, bitDepthLuma, bitDepthChroma },
    arrayType: separatePlanes ? 0 : chromaFormatIdc,
  };
}

/** §7.3.2.1.1.1: lists 0–5 have 16 entries, the others 64. */
function skipScalingLists(reader: BitReader, listCount: number): void {
  for (let list = 0; list < listCount; list += 1) {
    if (reader.readFlag()) skipScalingList(reader, list < 6 ? 16 : 64);
  }
}

function skipScalingList(reader: BitReader, entryCount: number): void {
  let last = 8;
  for (let entry = 0; entry < entryCount; entry += 1) {
    last = (last + reader.readSignedExpGolomb() + 256) & 0xff;
    if (last === 0) return;
  }
}

type PictureOrder = Pick<
  H264SliceLayout,
  'pictureOrderType' | 'pictureOrderBits' | 'isPictureOrderDeltaZero'
>;

function readPictureOrderCount(reader: BitReader): PictureOrder {
  const pictureOrderType = atMost('pic_order_cnt_type', reader.readUnsignedExpGolomb(), 2);
  const pictureOrderBits =
    pictureOrderType === 0
      ? 4 + atMost('log2_max_pic_order_cnt_lsb_minus4', reader.readUnsignedExpGolomb(), 12)
      : 0;
  const isPictureOrderDeltaZero = pictureOrderType === 1 && readPictureOrderCycle(reader);
  return { pictureOrderType, pictureOrderBits, isPictureOrderDeltaZero };
}

/** Returns delta_pic_order_always_zero_flag. */
function readPictureOrderCycle(reader: BitReader): boolean {
  const isDeltaZero = reader.readFlag();
  reader.readSignedExpGolomb(); // offset_for_non_ref_pic
  reader.readSignedExpGolomb(); // offset_for_top_to_bottom_field
  const count = atMost(
    'num_ref_frames_in_pic_order_cnt_cycle',
    reader.readUnsignedExpGolomb(),
    REFERENCE_FRAMES_IN_CYCLE_MAX,
  );
  for (let index = 0; index < count; index += 1) reader.readSignedExpGolomb();
  return isDeltaZero;
}

function readPictureSize(
  reader: BitReader,
  chroma: Chroma,
): { width: number; height: number; isFrameOnly: boolean } {
  const widthInMacroblocks = reader.readUnsignedExpGolomb() + 1;
  const heightInMapUnits = reader.readUnsignedExpGolomb() + 1;
  const frameMacroblocksOnly = reader.readFlag();
  if (!frameMacroblocksOnly) reader.skipBits(1); // mb_adaptive_frame_field_flag
  reader.skipBits(1); // direct_8x8_inference_flag
  const fieldFactor = frameMacroblocksOnly ? 1 : 2;
  const crop = reader.readFlag() ? readCrop(reader) : { horizontal: 0, vertical: 0 };
  // §7.4.2.1.1, equations 7-19 to 7-22.
  const cropUnitX = chroma.arrayType === 1 || chroma.arrayType === 2 ? 2 : 1;
  const cropUnitY = (chroma.arrayType === 1 ? 2 : 1) * fieldFactor;
  const width = widthInMacroblocks * 16 - crop.horizontal * cropUnitX;
  const height = heightInMapUnits * 16 * fieldFactor - crop.vertical * cropUnitY;
  if (width < 1 || height < 1 || width > DIMENSION_MAX || height > DIMENSION_MAX) {
    throw new MalformedCodecConfiguration(`picture of ${width}x${height}, limit ${DIMENSION_MAX}`);
  }
  return { width, height, isFrameOnly: frameMacroblocksOnly };
}

function readCrop(reader: BitReader): { horizontal: number; vertical: number } {
  const horizontal = reader.readUnsignedExpGolomb() + reader.readUnsignedExpGolomb();
  const vertical = reader.readUnsignedExpGolomb() + reader.readUnsignedExpGolomb();
  return { horizontal, vertical };
}

/** §E.1.1, up to the timing; what follows is of no use here. */
function readVui(reader: BitReader): H264Vui {
  const picture = readVuiPicture(reader);
  return { ...picture, frameRate: reader.readFlag() ? readFrameRate(reader) : undefined };
}

/** §E.2.1: a tick is a field, two of them a frame. */
function readFrameRate(reader: BitReader): number | undefined {
  const unitsInTick = reader.readBits(32);
  const timeScale = reader.readBits(32);
  if (unitsInTick === 0 || timeScale === 0) return undefined;
  const frameRate = timeScale / (2 * unitsInTick);
  return frameRate <= FRAME_RATE_MAX ? frameRate : undefined;
}
