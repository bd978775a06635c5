import type { BitReader } from '../bits/bit-reader.ts';

/** `scaling_list_data()`, ITU-T H.265 §7.3.4. */
export function skipHevcScalingLists(reader: BitReader): void {
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
