import { parseAudioSpecificConfig } from '../codecs/aac.ts';
import type { AudioFormat } from '../model/track.ts';
import { rescale, TICKS_PER_SECOND } from '../time/timescale.ts';

/** Returns the exact start of the frame with that index, in ticks after the frame with index 0. */
export function aacFrameClock(format: AudioFormat): (frameIndex: number) => number {
  const { samplesPerFrame, coreSampleRateHz } = parseAudioSpecificConfig(format.configurationRecord);
  const scales = { from: coreSampleRateHz, to: TICKS_PER_SECOND };
  return (frameIndex) => rescale(frameIndex * samplesPerFrame, scales);
}
