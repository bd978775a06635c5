import type { BitReader } from '../bits/bit-reader.ts';

/** `general_…` of `profile_tier_level()`, ITU-T H.265 §7.3.3. */
export interface HevcProfile {
  readonly profileSpace: number;
  readonly isHighTier: boolean;
  readonly profileIdc: number;
  readonly compatibilityFlags: number;
  /** The 48 bits between the compatibility flags and the level. */
  readonly constraintBytes: readonly number[];
  readonly levelIdc: number;
}

const PROFILE_SPACES = ['', 'A', 'B', 'C'] as const;
const SUB_LAYERS_MAX = 8;
const SUB_LAYER_PROFILE_BITS = 88;
const SUB_LAYER_LEVEL_BITS = 8;

/** The first 12 bytes of `profile_tier_level()`, which HEVCDecoderConfigurationRecord repeats. */
export function readHevcProfile(reader: BitReader): HevcProfile {
  const profileSpace = reader.readBits(2);
  const isHighTier = reader.readFlag();
  const profileIdc = reader.readBits(5);
  const compatibilityFlags = reader.readBits(32);
  const constraintBytes = Array.from({ length: 6 }, () => reader.readBits(8));
  const levelIdc = reader.readBits(8);
  return { profileSpace, isHighTier, profileIdc, compatibilityFlags, constraintBytes, levelIdc };
}

/** `profile_tier_level(1, maxSubLayersMinus1)` whole, of which only the general part is of use. */
export function readProfileTierLevel(reader: BitReader, maxSubLayersMinus1: number): HevcProfile {
  const profile = readHevcProfile(reader);
  if (maxSubLayersMinus1 === 0) return profile;
  let bits = 0;
  for (let layer = 0; layer < SUB_LAYERS_MAX; layer += 1) {
    // Above the highest sub-layer both bits are reserved.
    const isPresent = layer < maxSubLayersMinus1;
    bits += reader.readFlag() && isPresent ? SUB_LAYER_PROFILE_BITS : 0;
    bits += reader.readFlag() && isPresent ? SUB_LAYER_LEVEL_BITS : 0;
  }
  reader.skipBits(bits);
  return profile;
}

/** RFC 6381 as ISO/IEC 14496-15 §E.3 makes it: `hvc1.1.6.L93.90`. */
export function hevcCodecString(profile: HevcProfile): string {
  const space = PROFILE_SPACES[profile.profileSpace] ?? '';
  const tier = profile.isHighTier ? 'H' : 'L';
  // Trailing zero bytes are left out.
  const last = profile.constraintBytes.findLastIndex((byte) => byte !== 0);
  const constraints = profile.constraintBytes.slice(0, last + 1).map((byte) => hex(byte));
  return [
    'hvc1',
    `${space}${profile.profileIdc}`,
    hex(reverseBits(profile.compatibilityFlags)),
    `${tier}${profile.levelIdc}`,
    ...constraints,
  ].join('.');
}

function reverseBits(word: number): number {
  let reversed = 0;
  for (let bit = 0; bit < 32; bit += 1) reversed = (reversed << 1) | ((word >>> bit) & 1);
  return reversed >>> 0;
}

function hex(value: number): string {
  return value.toString(16).toUpperCase();
}
