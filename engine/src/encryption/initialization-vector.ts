import { createHash } from 'node:crypto';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';

export const IV_SALT_SIZE_BYTES = 8;
export const SAMPLE_IV_SIZE_BYTES = 8;
export const BLOCK_SIZE_BYTES = 16;
const ORDINAL_MAX = 0xffff;
/** 48 bits: 28,000 years at 1000 samples a second, for instance of a track that is numbered by its clock. */
const SAMPLE_NUMBER_LIMIT = 2 ** 48;
/** Apart from every IV of a segment, whose second half is a sample number: none of them comes near 2^48. */
const CONSTANT_IV_SAMPLE_NUMBER = SAMPLE_NUMBER_LIMIT - 1;

/**
 * The salt of a recording's initialization vectors, so that one content key in two recordings repeats none: 8 bytes of
 * SHA-256 over the asset's identity and the manifest's name (a container may hold several), the same in every process and
 * after every restart.
 */
export function ivSaltOf(assetIdentity: string, manifestName: string): Uint8Array {
  const text = JSON.stringify(['headend iv salt', assetIdentity, manifestName]);
  return createHash('sha256').update(text).digest().subarray(0, IV_SALT_SIZE_BYTES);
}

export interface IvSpace {
  readonly track: Pick<Track, 'ordinal'>;
  readonly ivSalt: Uint8Array;
}

/**
 * The `cenc` initialization vectors of samples that follow each other, the first of them the n-th of its track in the
 * whole recording: 8 bytes each, `salt XOR (ordinal, 16 bits ‖ sample number, 48 bits)`, as two words. The counter blocks
 * of a sample are these 8 bytes and a block counter of 64 bits from 0, ISO/IEC 23001-7 §9.3: two samples share none.
 * Throws a RangeError when a number does not fit.
 */
export function sampleIvs(space: IvSpace, firstSample: number, sampleCount: number): Uint32Array {
  assertSpace(space);
  const end = firstSample + sampleCount;
  if (!Number.isSafeInteger(firstSample) || firstSample < 0 || end > SAMPLE_NUMBER_LIMIT) {
    throw new RangeError(`sample numbers ${firstSample} to ${end} do not fit 48 bits`);
  }
  const { ivSalt, track } = space;
  const salt = new DataView(ivSalt.buffer, ivSalt.byteOffset, ivSalt.byteLength);
  const saltHigh = salt.getUint32(0);
  const saltLow = salt.getUint32(4);
  const words = new Uint32Array(2 * sampleCount);
  for (let sample = 0; sample < sampleCount; sample += 1) {
    const number = firstSample + sample;
    // XOR works on 32 bits; the array makes them unsigned again.
    words[2 * sample] = saltHigh ^ (track.ordinal * 0x1_0000 + Math.floor(number / 2 ** 32));
    words[2 * sample + 1] = saltLow ^ (number % 2 ** 32);
  }
  return words;
}

/** The constant initialization vector of a `cbcs` track, 16 bytes, ISO/IEC 23001-7 §10.4. */
export function constantIv(space: IvSpace): Uint8Array {
  return blockOf(space, CONSTANT_IV_SAMPLE_NUMBER);
}

/** The initialization vector of an AES-128 segment, 16 bytes: for `EXT-X-KEY`'s `IV`, and for `encryptSegment`. */
export function segmentIv(o: IvSpace & { readonly entry: Pick<FragmentEntry, 'firstSample'> }): Uint8Array {
  return blockOf(o, o.entry.firstSample);
}

/** The salt in clear sight, then ordinal and number: no two are equal as long as the salts differ. */
function blockOf({ track, ivSalt }: IvSpace, sampleNumber: number): Uint8Array {
  assertSpace({ track, ivSalt });
  const unsalted = { track, ivSalt: new Uint8Array(IV_SALT_SIZE_BYTES) };
  const [high = 0, low = 0] = sampleIvs(unsalted, sampleNumber, 1);
  const block = new Uint8Array(BLOCK_SIZE_BYTES);
  block.set(ivSalt);
  const view = new DataView(block.buffer);
  view.setUint32(IV_SALT_SIZE_BYTES, high);
  view.setUint32(IV_SALT_SIZE_BYTES + 4, low);
  return block;
}

function assertSpace({ track, ivSalt }: IvSpace): void {
  if (ivSalt.length !== IV_SALT_SIZE_BYTES) throw new RangeError(`IV salt of ${ivSalt.length} bytes, not 8`);
  if (!Number.isInteger(track.ordinal) || track.ordinal < 0 || track.ordinal > ORDINAL_MAX) {
    throw new RangeError(`track ordinal ${track.ordinal} does not fit 16 bits`);
  }
}
