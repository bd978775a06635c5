import { MalformedCodecConfiguration } from './malformed-codec-configuration.ts';

/** ITU-T H.264 §7.4.1.1, H.265 §7.4.2.1: drops the 3 of every 0, 0, 3. */
export function removeEmulationPrevention(nalUnit: Uint8Array): Uint8Array {
  const out = new Uint8Array(nalUnit.length);
  let length = 0;
  let zeros = 0;
  for (const byte of nalUnit) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[length] = byte;
    length += 1;
  }
  return out.subarray(0, length);
}

/** The value of a syntax element, or `MalformedCodecConfiguration` when it is past its range. */
export function atMost(name: string, value: number, max: number): number {
  if (value > max) throw new MalformedCodecConfiguration(`${name} ${value} exceeds ${max}`);
  return value;
}
