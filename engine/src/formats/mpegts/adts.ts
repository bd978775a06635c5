import { parseAudioSpecificConfig, SAMPLE_RATES_HZ } from '../../codecs/aac.ts';
import type { AudioFormat } from '../../model/track.ts';
import { MalformedFragment } from '../isobmff/malformed-fragment.ts';

export const ADTS_HEADER_SIZE_BYTES = 7;
const FRAME_LENGTH_MAX = 0x1fff;

export type PutAdtsHeader = (into: Uint8Array, at: number, frameSizeBytes: number) => void;

/**
 * ADTS headers of a format, ISO/IEC 14496-3 §1.A.2.2. Of HE-AAC they describe the core: that is how its extensions are
 * signalled in ADTS, and found by decoders (§1.6.5.2, implicit). Throws `MalformedFragment` for what ADTS cannot say.
 */
export function adtsHeaders({ configurationRecord }: AudioFormat): PutAdtsHeader {
  const { audioObjectType, coreSampleRateHz, channelConfiguration } =
    parseAudioSpecificConfig(configurationRecord);
  const rateIndex = SAMPLE_RATES_HZ.indexOf(coreSampleRateHz);
  if (rateIndex === -1 || channelConfiguration > 7) {
    throw new MalformedFragment(
      `ADTS has no ${coreSampleRateHz} Hz in configuration ${channelConfiguration}`,
    );
  }
  const profile = ((audioObjectType - 1) << 6) | (rateIndex << 2) | (channelConfiguration >>> 2);
  return (into, at, frameSizeBytes) => {
    const length = frameSizeBytes + ADTS_HEADER_SIZE_BYTES;
    if (length > FRAME_LENGTH_MAX) throw new MalformedFragment(`AAC frame of ${frameSizeBytes} bytes`);
    into[at] = 0xff;
    into[at + 1] = 0xf1; // MPEG-4, without a checksum
    into[at + 2] = profile;
    into[at + 3] = ((channelConfiguration & 3) << 6) | (length >>> 11);
    into[at + 4] = (length >>> 3) & 0xff;
    into[at + 5] = ((length & 7) << 5) | 0x1f; // buffer fullness: variable rate
    into[at + 6] = 0xfc;
  };
}
