import { parseAvcDecoderConfigurationRecord } from '../../codecs/h264.ts';
import { parseHevcDecoderConfigurationRecord } from '../../codecs/hevc.ts';
import type { VideoFormat } from '../../model/track.ts';
import { MalformedFragment } from '../isobmff/malformed-fragment.ts';

/** What an access unit of a format begins with in a byte stream, ITU-T H.264 and H.265 annex B. */
export interface ByteStreamFormat {
  /** With its start code; any picture type may follow. */
  readonly accessUnitDelimiter: Uint8Array;
  /** Of the configuration record, with start codes. */
  readonly parameterSets: Uint8Array;
  readonly nalUnitLengthSizeBytes: 3 | 4;
  readonly isDelimiter: (firstByte: number) => boolean;
  readonly isSequenceParameterSet: (firstByte: number) => boolean;
}

export interface AccessUnitPlace {
  readonly at: number;
  readonly sizeBytes: number;
  readonly hasParameterSets: boolean;
}

const START_CODE = [0, 0, 0, 1];
const H264 = { sps: 7, delimiter: 9 } as const;
const HEVC = { sps: 33, delimiter: 35 } as const;

/** Throws `MalformedCodecConfiguration`, and `MalformedFragment` for lengths that leave no room for a start code. */
export function byteStreamFormat({ kind, configurationRecord }: VideoFormat): ByteStreamFormat {
  if (kind === 'h264') {
    const record = parseAvcDecoderConfigurationRecord(configurationRecord);
    return {
      accessUnitDelimiter: Uint8Array.from([...START_CODE, H264.delimiter, 0xf0]),
      parameterSets: joined([...record.sequenceParameterSets, ...record.pictureParameterSets]),
      nalUnitLengthSizeBytes: lengthSize(record.nalUnitLengthSizeBytes),
      isDelimiter: (byte) => (byte & 0x1f) === H264.delimiter,
      isSequenceParameterSet: (byte) => (byte & 0x1f) === H264.sps,
    };
  }
  const record = parseHevcDecoderConfigurationRecord(configurationRecord);
  const { videoParameterSets, sequenceParameterSets, pictureParameterSets } = record;
  return {
    accessUnitDelimiter: Uint8Array.from([...START_CODE, HEVC.delimiter << 1, 1, 0x50]),
    parameterSets: joined([...videoParameterSets, ...sequenceParameterSets, ...pictureParameterSets]),
    nalUnitLengthSizeBytes: lengthSize(record.nalUnitLengthSizeBytes),
    isDelimiter: (byte) => ((byte >>> 1) & 0x3f) === HEVC.delimiter,
    isSequenceParameterSet: (byte) => ((byte >>> 1) & 0x3f) === HEVC.sps,
  };
}

function lengthSize(sizeBytes: number): 3 | 4 {
  if (sizeBytes === 3 || sizeBytes === 4) return sizeBytes;
  throw new MalformedFragment(`NAL unit lengths of ${sizeBytes} bytes leave no room for start codes`);
}

/**
 * Where an access unit is that can be made a byte stream of. A delimiter at its beginning is left out; from the first
 * length that does not add up on, the rest is.
 */
export function findAccessUnit(
  view: DataView,
  place: { readonly at: number; readonly sizeBytes: number },
  format: ByteStreamFormat,
): AccessUnitPlace {
  const lengthBytes = format.nalUnitLengthSizeBytes;
  const end = place.at + place.sizeBytes;
  let begin = place.at;
  let hasParameterSets = false;
  let at = place.at;
  while (at + lengthBytes < end) {
    const length = lengthAt(view, at, lengthBytes);
    const next = at + lengthBytes + length;
    if (length === 0 || next > end) break;
    const firstByte = view.getUint8(at + lengthBytes);
    if (at === begin && format.isDelimiter(firstByte)) begin = next;
    hasParameterSets ||= format.isSequenceParameterSet(firstByte);
    at = next;
  }
  return { at: begin, sizeBytes: at - begin, hasParameterSets };
}

/** Turns the lengths of what `findAccessUnit` found into start codes, which are as long, in place. */
export function toByteStream(
  view: DataView,
  place: { readonly at: number; readonly sizeBytes: number },
  { nalUnitLengthSizeBytes: lengthBytes }: ByteStreamFormat,
): void {
  const end = place.at + place.sizeBytes;
  for (let at = place.at; at < end; ) {
    const next = at + lengthBytes + lengthAt(view, at, lengthBytes);
    if (lengthBytes === 4) view.setUint32(at, 1);
    else view.setUint32(at - 1, (view.getUint8(at - 1) << 24) | 1);
    at = next;
  }
}

function lengthAt(view: DataView, at: number, lengthBytes: 3 | 4): number {
  return lengthBytes === 4 ? view.getUint32(at) : view.getUint32(at - 1) & 0xff_ffff;
}

function joined(nalUnits: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(nalUnits.flatMap((nalUnit) => [Uint8Array.from(START_CODE), nalUnit])));
}
