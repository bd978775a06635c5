import type { BitReader } from '../bits/bit-reader.ts';
import { openHevcParameterSet } from './hevc-parameter-set.ts';
import { skipHevcScalingLists } from './hevc-scaling-lists.ts';
import { MalformedCodecConfiguration, parsingConfiguration } from './malformed-codec-configuration.ts';
import { atMost } from './parameter-set.ts';

/** What a picture parameter set says that a slice header depends on, ITU-T H.265 §7.3.2.3. */
export interface HevcPps {
  readonly id: number;
  readonly spsId: number;
  readonly hasDependentSlices: boolean;
  readonly hasOutputFlag: boolean;
  readonly extraHeaderBits: number;
  readonly hasCabacInit: boolean;
  /** num_ref_idx_l0 and l1, default and active. */
  readonly activeReferences: readonly [number, number];
  readonly hasChromaOffsets: boolean;
  readonly hasWeightedPrediction: boolean;
  readonly hasWeightedBiprediction: boolean;
  /** Tiles, or rows that are coded in parallel: slices tell where each begins. */
  readonly hasEntryPoints: boolean;
  readonly isFilteredAcrossSlices: boolean;
  readonly hasDeblockingOverride: boolean;
  readonly isDeblockingDisabled: boolean;
  readonly hasListModification: boolean;
  readonly hasHeaderExtension: boolean;
  readonly hasChromaOffsetLists: boolean;
}

export const HEVC_PPS_ID_MAX = 63;
const HEVC_SPS_ID_MAX = 15;
export const HEVC_REFERENCES_MAX = 16;
const NAL_UNIT_TYPE_PPS = 34;
const TILES_MAX = 1024;

/** Parses a PPS NAL unit (with its header). Throws `MalformedCodecConfiguration`, also for screen content coding. */
export function parseHevcPps(nalUnit: Uint8Array): HevcPps {
  return parsingConfiguration('HEVC PPS', () => readPps(openHevcParameterSet(nalUnit, NAL_UNIT_TYPE_PPS)));
}

function readPps(reader: BitReader): HevcPps {
  const id = atMost('pps_pic_parameter_set_id', reader.readUnsignedExpGolomb(), HEVC_PPS_ID_MAX);
  const spsId = atMost('pps_seq_parameter_set_id', reader.readUnsignedExpGolomb(), HEVC_SPS_ID_MAX);
  const hasDependentSlices = reader.readFlag();
  const hasOutputFlag = reader.readFlag();
  const extraHeaderBits = reader.readBits(3);
  reader.skipBits(1); // sign_data_hiding_enabled_flag
  const hasCabacInit = reader.readFlag();
  const readActive = () =>
    1 + atMost('num_ref_idx_default_active_minus1', reader.readUnsignedExpGolomb(), HEVC_REFERENCES_MAX - 2);
  const activeReferences = [readActive(), readActive()] as const;
  reader.readSignedExpGolomb(); // init_qp_minus26
  reader.skipBits(1); // constrained_intra_pred_flag
  const hasTransformSkip = reader.readFlag();
  if (reader.readFlag()) reader.readUnsignedExpGolomb(); // diff_cu_qp_delta_depth
  reader.readSignedExpGolomb(); // pps_cb_qp_offset
  reader.readSignedExpGolomb(); // pps_cr_qp_offset
  const hasChromaOffsets = reader.readFlag();
  const hasWeightedPrediction = reader.readFlag();
  const hasWeightedBiprediction = reader.readFlag();
  reader.skipBits(1); // transquant_bypass_enabled_flag
  const hasTiles = reader.readFlag();
  const hasParallelRows = reader.readFlag();
  if (hasTiles) skipTiles(reader);
  const isFilteredAcrossSlices = reader.readFlag();
  const deblocking = readDeblocking(reader);
  if (reader.readFlag()) skipHevcScalingLists(reader);
  const hasListModification = reader.readFlag();
  reader.readUnsignedExpGolomb(); // log2_parallel_merge_level_minus2
  const hasHeaderExtension = reader.readFlag();
  return {
    ...{ id, spsId, hasDependentSlices, hasOutputFlag, extraHeaderBits, hasCabacInit, activeReferences },
    ...{ hasChromaOffsets, hasWeightedPrediction, hasWeightedBiprediction, isFilteredAcrossSlices },
    ...{
      hasEntryPoints: hasTiles || hasParallelRows,
      ...deblocking,
      hasListModification,
      hasHeaderExtension,
    },
    hasChromaOffsetLists: readExtensions(reader, hasTransformSkip),
  };
}

function skipTiles(reader: BitReader): void {
  const columns = 1 + atMost('num_tile_columns_minus1', reader.readUnsignedExpGolomb(), TILES_MAX - 1);
  const rows = 1 + atMost('num_tile_rows_minus1', reader.readUnsignedExpGolomb(), TILES_MAX - 1);
  if (!reader.readFlag()) {
    for (let size = 0; size < columns + rows - 2; size += 1) reader.readUnsignedExpGolomb();
  }
  reader.skipBits(1); // loop_filter_across_tiles_enabled_flag
}

function readDeblocking(reader: BitReader): Pick<HevcPps, 'hasDeblockingOverride' | 'isDeblockingDisabled'> {
  if (!reader.readFlag()) return { hasDeblockingOverride: false, isDeblockingDisabled: false };
  const hasDeblockingOverride = reader.readFlag();
  const isDeblockingDisabled = reader.readFlag();
  if (!isDeblockingDisabled) {
    reader.readSignedExpGolomb(); // pps_beta_offset_div2
    reader.readSignedExpGolomb(); // pps_tc_offset_div2
  }
  return { hasDeblockingOverride, isDeblockingDisabled };
}

/** Returns chroma_qp_offset_list_enabled_flag of the range extension, §7.3.2.3.2. */
function readExtensions(reader: BitReader, hasTransformSkip: boolean): boolean {
  if (!reader.readFlag()) return false;
  const hasRange = reader.readFlag();
  reader.skipBits(2); // multilayer and 3D: of layers other than the base
  if (reader.readFlag()) throw new MalformedCodecConfiguration('screen content coding');
  reader.skipBits(4);
  if (!hasRange) return false;
  if (hasTransformSkip) reader.readUnsignedExpGolomb(); // log2_max_transform_skip_block_size_minus2
  reader.skipBits(1); // cross_component_prediction_enabled_flag
  return reader.readFlag();
}
