import { parseAvcDecoderConfigurationRecord } from '../codecs/h264.ts';
import { type H264Pps, parseH264Pps } from '../codecs/h264-pps.ts';
import { readH264SliceHeader } from '../codecs/h264-slice-header.ts';
import { type H264Sps, parseH264Sps } from '../codecs/h264-sps.ts';
import { parseHevcDecoderConfigurationRecord } from '../codecs/hevc.ts';
import { type HevcPps, parseHevcPps } from '../codecs/hevc-pps.ts';
import { readHevcSliceHeader } from '../codecs/hevc-slice-header.ts';
import { type HevcSps, parseHevcSps } from '../codecs/hevc-sps.ts';
import { MalformedCodecConfiguration } from '../codecs/malformed-codec-configuration.ts';
import { NalBitReader } from '../codecs/nal-bit-reader.ts';
import type { VideoFormat } from '../model/track.ts';
import type { SliceHeaders } from './nal-unit-ranges.ts';

/** How the samples of a format are made of NAL units. */
export interface NalStructure {
  readonly lengthSizeBytes: number;
  /** For one fragment: what its samples teach does not outlive it. */
  readonly headers: SliceHeaders;
}

/**
 * What stays clear of a slice whose header cannot be read (unknown or broken parameter sets, layers, screen content): more
 * than such a header takes in practice. What is longer is encrypted along with the slice, which decrypts all the same.
 */
const UNREAD_HEADER_BYTES = 128;
/** A header that claims more is not believed. */
const HEADER_SIZE_BYTES_MAX = 4096;
const PARAMETER_SETS_LEARNT_MAX = 64;
/** After so many in a fragment no more are tried: what fails costs far more than what succeeds. */
const UNREAD_HEADERS_MAX = 64;

type NalKind = 'slice' | 'unreadableSlice' | 'sps' | 'pps' | 'other';

interface PpsReference {
  readonly id: number;
  readonly spsId: number;
}

interface SpsSlices {
  readonly slices: { readonly spsId: number };
}

/** What differs between the codecs. */
interface Codec<S extends SpsSlices, P extends PpsReference> {
  kindOf(bytes: Uint8Array, start: number): NalKind;
  parseSps(nalUnit: Uint8Array): S;
  parsePps(nalUnit: Uint8Array): P;
  /** Leaves the reader where the header ends. Throws when it cannot. */
  readHeader(reader: NalBitReader, contextOf: ContextOf<S, P>): void;
}

type ContextOf<S, P> = (ppsId: number) => { readonly sps: S; readonly pps: P } | undefined;

const structures = new WeakMap<VideoFormat, () => NalStructure>();

/** How to read the samples of one fragment. Throws `MalformedCodecConfiguration`. */
export function nalStructureOf(format: VideoFormat): NalStructure {
  const known = structures.get(format);
  if (known !== undefined) return known();
  const open = format.kind === 'h264' ? openerOfH264(format) : openerOfHevc(format);
  structures.set(format, open);
  return open();
}

function openerOfH264({ configurationRecord }: VideoFormat): () => NalStructure {
  const record = parseAvcDecoderConfigurationRecord(configurationRecord);
  return opener(H264, record);
}

function openerOfHevc({ configurationRecord }: VideoFormat): () => NalStructure {
  return opener(HEVC, parseHevcDecoderConfigurationRecord(configurationRecord));
}

interface DeclaredSets {
  readonly nalUnitLengthSizeBytes: number;
  readonly sequenceParameterSets: readonly Uint8Array[];
  readonly pictureParameterSets: readonly Uint8Array[];
}

function opener<S extends SpsSlices, P extends PpsReference>(
  codec: Codec<S, P>,
  record: DeclaredSets,
): () => NalStructure {
  const sets = new ParameterSets(codec, [...record.sequenceParameterSets, ...record.pictureParameterSets]);
  const lengthSizeBytes = record.nalUnitLengthSizeBytes;
  return () => ({ lengthSizeBytes, headers: new FragmentSliceHeaders(codec, sets) });
}

/** Parameter sets by their ids; the later of two with one id counts. What cannot be read is not there. */
class ParameterSets<S extends SpsSlices, P extends PpsReference> {
  readonly nalUnits: readonly Uint8Array[];
  readonly contextOf: ContextOf<S, P>;

  constructor(codec: Codec<S, P>, nalUnits: readonly Uint8Array[]) {
    this.nalUnits = nalUnits;
    const spsById = new Map<number, S>();
    const ppsById = new Map<number, P>();
    for (const nalUnit of nalUnits) {
      const kind = nalUnit.length === 0 ? 'other' : codec.kindOf(nalUnit, 0);
      if (kind === 'sps')
        addReadable(
          () => codec.parseSps(nalUnit),
          (sps) => spsById.set(sps.slices.spsId, sps),
        );
      if (kind === 'pps')
        addReadable(
          () => codec.parsePps(nalUnit),
          (pps) => ppsById.set(pps.id, pps),
        );
    }
    const contexts = new Map<number, { readonly sps: S; readonly pps: P }>();
    for (const pps of ppsById.values()) {
      const sps = spsById.get(pps.spsId);
      if (sps !== undefined) contexts.set(pps.id, { sps, pps });
    }
    this.contextOf = (ppsId) => contexts.get(ppsId);
  }

  has(nalUnit: Uint8Array): boolean {
    return this.nalUnits.some((known) => Buffer.compare(known, nalUnit) === 0);
  }
}

function addReadable<T>(parse: () => T, add: (value: T) => void): void {
  try {
    add(parse());
  } catch (error) {
    if (!(error instanceof MalformedCodecConfiguration)) throw error;
  }
}

const reader = new NalBitReader();

class FragmentSliceHeaders<S extends SpsSlices, P extends PpsReference> implements SliceHeaders {
  readonly #codec: Codec<S, P>;
  #sets: ParameterSets<S, P>;
  #learnt = 0;
  #unread = 0;

  constructor(codec: Codec<S, P>, sets: ParameterSets<S, P>) {
    this.#codec = codec;
    this.#sets = sets;
  }

  clearBytesOf(bytes: Uint8Array, start: number, end: number): number {
    const kind = this.#codec.kindOf(bytes, start);
    if (kind === 'slice') return this.#headerSize(bytes, start, end);
    if (kind === 'unreadableSlice') return Math.min(UNREAD_HEADER_BYTES, end - start);
    if (kind !== 'other') this.#learn(bytes, start, end);
    return end - start;
  }

  #headerSize(bytes: Uint8Array, start: number, end: number): number {
    if (this.#unread < UNREAD_HEADERS_MAX) {
      try {
        reader.open(bytes, start, Math.min(end, start + HEADER_SIZE_BYTES_MAX));
        this.#codec.readHeader(reader, this.#sets.contextOf);
        return reader.offset - start;
      } catch {
        // Whatever was in it: the slice is encrypted after a lead of a fixed size.
        this.#unread += 1;
      }
    }
    return Math.min(UNREAD_HEADER_BYTES, end - start);
  }

  /** Encoders repeat the parameter sets of the configuration record; some change them. */
  #learn(bytes: Uint8Array, start: number, end: number): void {
    const nalUnit = bytes.subarray(start, end);
    if (this.#learnt === PARAMETER_SETS_LEARNT_MAX || this.#sets.has(nalUnit)) return;
    this.#learnt += 1;
    this.#sets = new ParameterSets(this.#codec, [...this.#sets.nalUnits, nalUnit]);
  }
}

const H264_KINDS: Readonly<Record<number, NalKind>> = {
  ...{ 1: 'slice', 2: 'slice', 5: 'slice', 7: 'sps', 8: 'pps' },
  // Partitions B and C, auxiliary pictures and those of other layers and views have headers of their own.
  ...{ 3: 'unreadableSlice', 4: 'unreadableSlice', 19: 'unreadableSlice' },
  ...{ 20: 'unreadableSlice', 21: 'unreadableSlice' },
};

const H264: Codec<H264Sps, H264Pps> = {
  kindOf: (bytes, start) => H264_KINDS[(bytes[start] ?? 0) & 0x1f] ?? 'other',
  parseSps: parseH264Sps,
  parsePps: parseH264Pps,
  readHeader: readH264SliceHeader,
};

const HEVC_FIRST_NON_VCL = 32;
const HEVC_SPS = 33;
const HEVC_PPS = 34;
/** TRAIL_N to RASL_R, and BLA_W_LP to CRA_NUT; the rest of the first 32 is reserved. */
const isHevcSlice = (type: number): boolean => type <= 9 || (type >= 16 && type <= 21);

const HEVC: Codec<HevcSps, HevcPps> = {
  kindOf: (bytes, start) => {
    const first = bytes[start] ?? 0;
    const type = (first >>> 1) & 0x3f;
    const isBaseLayer = (first & 1) === 0 && (bytes[start + 1] ?? 0) >>> 3 === 0;
    if (type < HEVC_FIRST_NON_VCL) return isBaseLayer && isHevcSlice(type) ? 'slice' : 'unreadableSlice';
    if (!isBaseLayer) return 'other';
    if (type === HEVC_SPS) return 'sps';
    return type === HEVC_PPS ? 'pps' : 'other';
  },
  parseSps: parseHevcSps,
  parsePps: parseHevcPps,
  readHeader: readHevcSliceHeader,
};
