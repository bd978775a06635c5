import { createDecipheriv } from 'node:crypto';
import { getBox, readBoxes } from '../../src/formats/isobmff/box-reader.ts';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';

/** What a `senc` (or its PIFF form) says of one sample. */
export interface SampleInformation {
  readonly iv: Uint8Array;
  readonly subsamples:
    | readonly { readonly clearBytes: number; readonly protectedBytes: number }[]
    | undefined;
}

export const PIFF_SENC = 'a2394f525a9b4f14a2446c427c648df4';

export function trafBoxesOf(fragment: Uint8Array) {
  return readBoxes(getBox(readBoxes(getBox(readBoxes(fragment), 'moof').body), 'traf').body);
}

/** Read by the letter of ISO/IEC 23001-7 §7.2, without a thought for speed. */
export function readSampleInformation(
  fragment: Uint8Array,
  ivSizeBytes: number,
): SampleInformation[] | undefined {
  const box = trafBoxesOf(fragment).find(({ type, userType }) => type === 'senc' || userType === PIFF_SENC);
  if (box === undefined) return undefined;
  const bytes = Buffer.from(box.body);
  const hasSubsamples = (bytes.readUInt32BE(0) & 2) !== 0;
  let at = 8;
  const samples = Array.from({ length: bytes.readUInt32BE(4) }, () => {
    const iv = new Uint8Array(bytes.subarray(at, at + ivSizeBytes));
    at += ivSizeBytes;
    if (!hasSubsamples) return { iv, subsamples: undefined };
    const count = bytes.readUInt16BE(at);
    at += 2;
    const subsamples = Array.from({ length: count }, () => {
      const subsample = { clearBytes: bytes.readUInt16BE(at), protectedBytes: bytes.readUInt32BE(at + 2) };
      at += 6;
      return subsample;
    });
    return { iv, subsamples };
  });
  if (at !== bytes.length) throw new Error(`senc of ${bytes.length} bytes, ${at} read`);
  return samples;
}

export interface Decryption {
  readonly scheme: 'cenc' | 'cbcs';
  readonly key: Uint8Array;
  /** Of a `cbcs` track. */
  readonly constantIv?: Uint8Array;
}

/** The samples of a fragment in the clear: one cipher for each sample (`cenc`) or each range (`cbcs`). */
export function decryptSamples(fragment: Uint8Array, o: Decryption): Buffer[] {
  const information = readSampleInformation(fragment, o.scheme === 'cenc' ? 8 : 0);
  return parseFragment(fragment).samples.map(({ offset, sizeBytes }, index) => {
    const sample = Buffer.from(fragment.subarray(offset, offset + sizeBytes));
    const { iv, subsamples } = information?.[index] ?? { iv: new Uint8Array(), subsamples: undefined };
    const ranges = rangesOf(sizeBytes, subsamples);
    if (o.scheme === 'cenc') decryptCtr(sample, { ranges, key: o.key, iv });
    else decryptCbcs(sample, { ranges, ...o, stride: subsamples === undefined ? 16 : 160 });
    return sample;
  });
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function rangesOf(sizeBytes: number, subsamples: SampleInformation['subsamples']): Range[] {
  if (subsamples === undefined) return [{ start: 0, end: sizeBytes }];
  let at = 0;
  const ranges = subsamples.map(({ clearBytes, protectedBytes }) => {
    const start = at + clearBytes;
    at = start + protectedBytes;
    return { start, end: at };
  });
  if (at !== sizeBytes) throw new Error(`subsamples of ${at} bytes in a sample of ${sizeBytes}`);
  return ranges;
}

function decryptCtr(
  sample: Buffer,
  o: { readonly ranges: readonly Range[]; readonly key: Uint8Array; readonly iv: Uint8Array },
): void {
  const decipher = createDecipheriv('aes-128-ctr', o.key, Buffer.concat([o.iv, Buffer.alloc(8)]));
  for (const { start, end } of o.ranges) sample.set(decipher.update(sample.subarray(start, end)), start);
}

function decryptCbcs(
  sample: Buffer,
  o: {
    readonly ranges: readonly Range[];
    readonly key: Uint8Array;
    readonly constantIv?: Uint8Array;
    readonly stride: number;
  },
): void {
  for (const { start, end } of o.ranges) {
    const decipher = createDecipheriv('aes-128-cbc', o.key, o.constantIv ?? null).setAutoPadding(false);
    for (let at = start; at + 16 <= end; at += o.stride) {
      sample.set(decipher.update(sample.subarray(at, at + 16)), at);
    }
  }
}
