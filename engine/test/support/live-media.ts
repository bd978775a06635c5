import type { LiveFragment } from '../../src/live/live-fragment.ts';
import type { FragmentEntry } from '../../src/model/presentation.ts';
import type { Track } from '../../src/model/track.ts';
import { TICKS_PER_SECOND } from '../../src/time/timescale.ts';

const DURATION_TICKS = 2 * TICKS_PER_SECOND;
const SAMPLES = 50;

export function liveVideoTrack(): Track {
  return {
    type: 'video',
    ordinal: 1,
    streamName: 'video',
    bitrateBps: 2_500_000,
    folder: 'video_2500000',
    formats: [
      {
        kind: 'h264',
        configurationRecord: new Uint8Array([1, 100, 0, 31, 255, 225, 0, 0]),
        codecString: 'avc1.64001f',
        width: 1280,
        height: 720,
        frameRate: 25,
      },
    ],
  };
}

export function liveAudioTrack(): Track {
  return {
    type: 'audio',
    ordinal: 2,
    streamName: 'audio',
    bitrateBps: 128_000,
    folder: 'audio_128000',
    formats: [
      {
        kind: 'aac',
        configurationRecord: new Uint8Array([0x11, 0x90]),
        codecString: 'mp4a.40.2',
        sampleRateHz: 48_000,
        channelCount: 2,
      },
    ],
  };
}

/** The n-th of a track's fragments of 2 s and 50 samples. */
export function entryOf(sequence: number): FragmentEntry {
  return {
    sequence,
    decodeTimeTicks: sequence * DURATION_TICKS,
    durationTicks: DURATION_TICKS,
    sizeBytes: 10,
    sampleCount: SAMPLES,
    firstSample: sequence * SAMPLES,
    discontinuity: 0,
    formatIndex: 0,
    committedAtMs: 1000 + sequence,
  };
}

export function fragmentOf(track: Track, sequence: number, sizeBytes = 10): LiveFragment {
  const { decodeTimeTicks, durationTicks, sampleCount, discontinuity, formatIndex } = entryOf(sequence);
  const bytes = new Uint8Array(sizeBytes).fill(sequence);
  return { track, decodeTimeTicks, durationTicks, sampleCount, discontinuity, formatIndex, bytes };
}
