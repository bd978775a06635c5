import { parseAacFormat } from '../../codecs/aac.ts';
import { parseH264Format } from '../../codecs/h264.ts';
import { parseHevcFormat } from '../../codecs/hevc.ts';
import { MalformedCodecConfiguration } from '../../codecs/malformed-codec-configuration.ts';
import type { AudioFormat, VideoFormat } from '../../model/track.ts';
import type { TrackHeader } from './movie-header-reader.ts';

const PARSERS: ReadonlyMap<string, (record: Uint8Array) => VideoFormat | AudioFormat> = new Map<
  string,
  (record: Uint8Array) => VideoFormat | AudioFormat
>([
  ['avc1', parseH264Format],
  ['avc3', parseH264Format],
  ['hvc1', parseHevcFormat],
  ['hev1', parseHevcFormat],
  ['mp4a', parseAacFormat],
]);

export type FormatReading =
  | { readonly kind: 'read'; readonly format: VideoFormat | AudioFormat }
  /** In words for whoever owns the file. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** The format that a track's header describes. Its configuration is a copy. */
export function readTrackFormat({ codec, configurationRecord }: TrackHeader): FormatReading {
  const parse = PARSERS.get(codec);
  if (parse === undefined) return { kind: 'unreadable', reason: `codec '${printable(codec)}' is not served` };
  if (configurationRecord === undefined) {
    return { kind: 'unreadable', reason: `the header has no configuration of '${codec}'` };
  }
  try {
    return { kind: 'read', format: parse(configurationRecord.slice()) };
  } catch (error) {
    if (!(error instanceof MalformedCodecConfiguration)) throw error;
    return { kind: 'unreadable', reason: `the configuration of '${codec}' cannot be used: ${error.message}` };
  }
}

const printable = (codec: string): string => codec.replace(/[^\x20-\x7e]/g, '?');
