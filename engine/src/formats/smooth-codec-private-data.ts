import { parseAvcDecoderConfigurationRecord } from '../codecs/h264.ts';
import type { TrackFormat } from '../model/track.ts';

const START_CODE = '00000001';

/** Upper-case hex, [MS-SSTR] §2.2.2.5: parameter sets with start codes for H.264, the AudioSpecificConfig for AAC. */
export function smoothCodecPrivateData(format: TrackFormat): string {
  if (format.kind === 'aac') return hex(format.configurationRecord);
  const record = parseAvcDecoderConfigurationRecord(format.configurationRecord);
  return [...record.sequenceParameterSets, ...record.pictureParameterSets]
    .map((nalUnit) => START_CODE + hex(nalUnit))
    .join('');
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase();
}
