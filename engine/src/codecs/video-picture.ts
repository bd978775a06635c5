import type { VideoFormat } from '../model/track.ts';
import { parseAvcDecoderConfigurationRecord } from './h264.ts';
import { parseH264Sps } from './h264-sps.ts';
import { parseHevcDecoderConfigurationRecord } from './hevc.ts';
import { parseHevcSps } from './hevc-sps.ts';
import type { VuiPicture } from './vui-picture.ts';

/** Aspect ratio and colours of a format, from its first SPS. Throws `MalformedCodecConfiguration`, or a RangeError. */
export function pictureOf(format: VideoFormat): VuiPicture {
  const { kind, configurationRecord } = format;
  const record =
    kind === 'h264'
      ? parseAvcDecoderConfigurationRecord(configurationRecord)
      : parseHevcDecoderConfigurationRecord(configurationRecord);
  const [sps] = record.sequenceParameterSets;
  if (sps === undefined) throw new RangeError('a video format without an SPS');
  return kind === 'h264' ? parseH264Sps(sps).vui : parseHevcSps(sps);
}
