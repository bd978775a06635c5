import { BitReader } from '../bits/bit-reader.ts';
import { MalformedCodecConfiguration, parsingConfiguration } from './malformed-codec-configuration.ts';
import { atMost, removeEmulationPrevention } from './parameter-set.ts';

/** What a picture parameter set says that a slice header depends on, ISO/IEC 14496-10 §7.3.2.2. */
export interface H264Pps {
  readonly id: number;
  readonly spsId: number;
  readonly isCabac: boolean;
  readonly hasFieldOrder: boolean;
  /** num_ref_idx_l0 and l1, default and active. */
  readonly activeReferences: readonly [number, number];
  readonly hasWeightedPrediction: boolean;
  readonly weightedBipredictionIdc: number;
  readonly hasDeblockingControl: boolean;
  readonly hasRedundantPictures: boolean;
}

export const H264_PPS_ID_MAX = 255;
const H264_SPS_ID_MAX = 31;
export const REFERENCES_MAX = 32;
const NAL_UNIT_TYPE_PPS = 8;
const PPS_SIZE_BYTES_MAX = 4096;

/** Parses a PPS NAL unit (with its header byte). Throws `MalformedCodecConfiguration`, also for slice groups. */
export function parseH264Pps(nalUnit: Uint8Array): H264Pps {
  return parsingConfiguration('PPS', () => {
    if (nalUnit.length > PPS_SIZE_BYTES_MAX) {
      throw new MalformedCodecConfiguration(`PPS of ${nalUnit.length} bytes exceeds ${PPS_SIZE_BYTES_MAX}`);
    }
    const reader = new BitReader(removeEmulationPrevention(nalUnit));
    const type = reader.readBits(8) & 0x1f;
    if (type !== NAL_UNIT_TYPE_PPS) {
      throw new MalformedCodecConfiguration(`NAL unit type ${type} where a PPS belongs`);
    }
    const id = atMost('pic_parameter_set_id', reader.readUnsignedExpGolomb(), H264_PPS_ID_MAX);
    const spsId = atMost('seq_parameter_set_id', reader.readUnsignedExpGolomb(), H264_SPS_ID_MAX);
    const isCabac = reader.readFlag();
    const hasFieldOrder = reader.readFlag(); // bottom_field_pic_order_in_frame_present_flag
    atMost('num_slice_groups_minus1', reader.readUnsignedExpGolomb(), 0); // of the Extended profile, and nobody's
    const readActive = () =>
      1 + atMost('num_ref_idx_default_active_minus1', reader.readUnsignedExpGolomb(), REFERENCES_MAX - 1);
    const activeReferences = [readActive(), readActive()] as const;
    const hasWeightedPrediction = reader.readFlag();
    const weightedBipredictionIdc = reader.readBits(2);
    for (let element = 0; element < 3; element += 1) reader.readSignedExpGolomb(); // quantizers
    const hasDeblockingControl = reader.readFlag();
    reader.skipBits(1); // constrained_intra_pred_flag
    const hasRedundantPictures = reader.readFlag();
    return {
      ...{ id, spsId, isCabac, hasFieldOrder, activeReferences, hasWeightedPrediction },
      ...{ weightedBipredictionIdc, hasDeblockingControl, hasRedundantPictures },
    };
  });
}
