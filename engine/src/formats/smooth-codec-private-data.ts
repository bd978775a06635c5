import { parseAvcDecoderConfigurationRecord } from '../codecs/h264.ts';
import { parseHevcDecoderConfigurationRecord } from '../codecs/hevc.ts';
import type { TrackFormat, VideoFormat } from '../model/track.ts';

const START_CODE = '00000001';

/** Upper-case hex, [MS-SSTR] §2.2.2.5: parameter sets with start codes for video, the AudioSpecificConfig for AAC, nothing for text. */
export function smoothCodecPrivateData(format: TrackFormat): string {
  if (format.kind === 'data' || format.kind === 'wvtt') return '';
  if (format.kind === 'aac') return hex(format.configurationRecord);
  return parameterSets(format)
    .map((nalUnit) => START_CODE + hex(nalUnit))
    .join('');
}

function parameterSets({ kind, configurationRecord }: VideoFormat): readonly Uint8Array[] {
  if (kind === 'h264') {
    const { sequenceParameterSets, pictureParameterSets } =
      parseAvcDecoderConfigurationRecord(configurationRecord);
    return [...sequenceParameterSets, ...pictureParameterSets];
  }
  const { videoParameterSets, sequenceParameterSets, pictureParameterSets } =
    parseHevcDecoderConfigurationRecord(configurationRecord);
  return [...videoParameterSets, ...sequenceParameterSets, ...pictureParameterSets];
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase();
}
