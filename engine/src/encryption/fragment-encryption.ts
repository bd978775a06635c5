import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { ProtectionKey } from '../model/protection.ts';
import { isVideoFormat, type Track, type TrackFormat } from '../model/track.ts';
import { encryptCbcs } from './cbcs-cipher.ts';
import { encryptCenc } from './cenc-cipher.ts';
import { keyValueOf } from './content-key.ts';
import { writeFragmentHead } from './fragment-head.ts';
import { type FragmentLayout, readFragmentLayout } from './fragment-layout.ts';
import { BLOCK_SIZE_BYTES, constantIv, sampleIvs } from './initialization-vector.ts';
import { addNalUnitRanges } from './nal-unit-ranges.ts';
import { type AllocateOutput, allocateOutput } from './output-buffer.ts';
import { ProtectedRanges } from './protected-ranges.ts';
import { type EncryptionBoxes, planEncryptionBoxes } from './sample-encryption-boxes.ts';
import { CBCS_CRYPT_BLOCKS, CBCS_SKIP_BLOCKS, type SampleScheme } from './sample-scheme.ts';
import { nalStructureOf } from './slice-headers.ts';

export interface FragmentEncryption {
  readonly track: Track;
  readonly entry: Pick<FragmentEntry, 'formatIndex' | 'firstSample' | 'sampleCount' | 'sampleNumbers'>;
  readonly scheme: SampleScheme;
  readonly key: Pick<ProtectionKey, 'value'>;
  /** 8 bytes, of the recording. */
  readonly ivSalt: Uint8Array;
  /** `cmaf` unless told otherwise; `piff` for Smooth Streaming. */
  readonly boxes?: EncryptionBoxes;
  readonly allocate?: AllocateOutput;
}

const PATTERN_BYTES = (CBCS_CRYPT_BLOCKS + CBCS_SKIP_BLOCKS) * BLOCK_SIZE_BYTES;

/**
 * A stored fragment (`moof`, `mdat`, one track, in the clear) with its samples encrypted, ISO/IEC 23001-7: all its boxes,
 * and those that tell how to decrypt it. Throws `MalformedFragment`, also when it has more samples than its entry says,
 * whose vectors would be those of the next one; a RangeError for text, or for a key or salt of another size.
 */
export function encryptFragment(fragment: Uint8Array, o: FragmentEncryption): Uint8Array {
  const format = o.track.formats[o.entry.formatIndex];
  if (format === undefined) throw new RangeError(`no format ${o.entry.formatIndex} of the track`);
  if (format.kind === 'data' || format.kind === 'wvtt') throw new RangeError('text is not encrypted');
  const key = keyValueOf(o.key);
  const layout = readFragmentLayout(fragment);
  // More would share initialization vectors with the next fragment.
  const sampleNumbers = o.entry.sampleNumbers ?? o.entry.sampleCount;
  if (layout.sampleCount > sampleNumbers) {
    throw new MalformedFragment(`${layout.sampleCount} samples where ${sampleNumbers} are known of`);
  }
  const hasSubsamples = isVideoFormat(format);
  const ranges = rangesOf(fragment, layout, { format, scheme: o.scheme });
  const { firstSample } = o.entry;
  const ivs = o.scheme === 'cenc' ? sampleIvs(o, firstSample, layout.sampleCount) : undefined;
  const boxes = planEncryptionBoxes({ layout, ranges, ivs, hasSubsamples }, o.boxes ?? 'cmaf');
  const head = writeFragmentHead(fragment, layout, boxes);
  const output = allocateOutput(fragment.length + head.shift, o.allocate);
  output.set(head.bytes);
  const cipher = { key, layout, ranges, source: fragment, output, shift: head.shift };
  if (ivs !== undefined) {
    encryptCenc({ ...cipher, ivs }, head.sourceEnd, fragment.length);
  } else {
    const strideBytes = hasSubsamples ? PATTERN_BYTES : BLOCK_SIZE_BYTES;
    encryptCbcs({ ...cipher, iv: constantIv(o), strideBytes }, head.sourceEnd, fragment.length);
  }
  return output;
}

function rangesOf(
  source: Uint8Array,
  layout: FragmentLayout,
  o: { readonly format: TrackFormat; readonly scheme: SampleScheme },
): ProtectedRanges {
  const ranges = new ProtectedRanges(layout.sampleCount);
  const structure = isVideoFormat(o.format) ? nalStructureOf(o.format) : undefined;
  const wholeBlocks = o.scheme === 'cenc';
  for (let sample = 0; sample < layout.sampleCount; sample += 1) {
    ranges.beginSample();
    const offset = layout.sampleOffsets[sample] ?? 0;
    const sizeBytes = layout.sampleSizes[sample] ?? 0;
    if (structure === undefined) {
      if (sizeBytes > 0) ranges.add(offset, sizeBytes);
    } else {
      const { lengthSizeBytes, headers } = structure;
      addNalUnitRanges(ranges, headers, { source, offset, sizeBytes, lengthSizeBytes, wholeBlocks });
    }
  }
  ranges.beginSample();
  return ranges;
}
