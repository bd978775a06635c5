import { parseAvcDecoderConfigurationRecord } from '../codecs/h264.ts';
import { parseHevcDecoderConfigurationRecord } from '../codecs/hevc.ts';
import type { VideoFormat } from '../model/track.ts';
import type { SliceHeaders } from './nal-unit-ranges.ts';

/** How the samples of a format are made of NAL units. */
export interface NalStructure {
  readonly lengthSizeBytes: number;
  readonly headers: SliceHeaders;
}

/** What stays clear of a slice whose header cannot be read. */
const UNREAD_HEADER_BYTES = 128;

/** Throws `MalformedCodecConfiguration`. */
export function nalStructureOf(format: VideoFormat): NalStructure {
  const { kind, configurationRecord } = format;
  const record =
    kind === 'h264'
      ? parseAvcDecoderConfigurationRecord(configurationRecord)
      : parseHevcDecoderConfigurationRecord(configurationRecord);
  return { lengthSizeBytes: record.nalUnitLengthSizeBytes, headers: kind === 'h264' ? AVC : HEVC };
}

const AVC: SliceHeaders = {
  clearBytesOf: (bytes, start, end) => {
    const type = (bytes[start] ?? 0) & 0x1f;
    return type >= 1 && type <= 5 ? Math.min(UNREAD_HEADER_BYTES, end - start) : end - start;
  },
};

const HEVC: SliceHeaders = {
  clearBytesOf: (bytes, start, end) => {
    const type = ((bytes[start] ?? 0) >>> 1) & 0x3f;
    return type < 32 ? Math.min(UNREAD_HEADER_BYTES, end - start) : end - start;
  },
};
