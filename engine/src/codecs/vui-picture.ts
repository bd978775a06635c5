import type { BitReader } from '../bits/bit-reader.ts';

/** What the video usability information says of how a picture is shown. */
export interface VuiPicture {
  readonly sampleAspectRatio: AspectRatio | undefined;
  readonly colour: ColourDescription | undefined;
}

export interface AspectRatio {
  readonly width: number;
  readonly height: number;
}

/** ISO/IEC 23091-2 code points. */
export interface ColourDescription {
  readonly primaries: number;
  readonly transfer: number;
  readonly matrix: number;
  readonly isFullRange: boolean;
}

const EXTENDED_SAR = 255;
/** Table E-1 of ITU-T H.264 and of H.265, index = aspect_ratio_idc. */
const SAMPLE_ASPECT_RATIOS: readonly (readonly [number, number])[] = [
  [0, 0],
  [1, 1],
  [12, 11],
  [10, 11],
  [16, 11],
  [40, 33],
  [24, 11],
  [20, 11],
  [32, 11],
  [80, 33],
  [18, 11],
  [15, 11],
  [64, 33],
  [160, 99],
  [4, 3],
  [3, 2],
  [2, 1],
];

/** Reads the beginning of `vui_parameters()`, which H.264 §E.1.1 and H.265 §E.2.1 share: up to the chroma location. */
export function readVuiPicture(reader: BitReader): VuiPicture {
  const sampleAspectRatio = reader.readFlag() ? readSampleAspectRatio(reader) : undefined;
  if (reader.readFlag()) reader.skipBits(1); // overscan_info_present_flag, overscan_appropriate_flag
  const colour = reader.readFlag() ? readVideoSignalType(reader) : undefined;
  if (reader.readFlag()) {
    reader.readUnsignedExpGolomb(); // chroma_sample_loc_type_top_field
    reader.readUnsignedExpGolomb(); // chroma_sample_loc_type_bottom_field
  }
  return { sampleAspectRatio, colour };
}

function readSampleAspectRatio(reader: BitReader): AspectRatio | undefined {
  const aspectRatioIdc = reader.readBits(8);
  const [width, height] =
    aspectRatioIdc === EXTENDED_SAR
      ? [reader.readBits(16), reader.readBits(16)]
      : (SAMPLE_ASPECT_RATIOS[aspectRatioIdc] ?? [0, 0]);
  return width > 0 && height > 0 ? { width, height } : undefined; // 0 = unspecified
}

function readVideoSignalType(reader: BitReader): ColourDescription | undefined {
  reader.skipBits(3); // video_format
  const isFullRange = reader.readFlag();
  if (!reader.readFlag()) return undefined;
  const primaries = reader.readBits(8);
  const transfer = reader.readBits(8);
  const matrix = reader.readBits(8);
  return { primaries, transfer, matrix, isFullRange };
}
