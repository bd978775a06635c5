import type { FragmentEntry, PresentationIndex, TrackIndex } from '../../src/model/presentation.ts';
import type { AudioFormat, Track, VideoFormat } from '../../src/model/track.ts';

export const SECOND = 10_000_000;
/** 2026-05-03T19:33:20Z on the media timeline. */
export const START_TICKS = 2_000_000_000_000_000;

/** Configuration records made by libx264 (FFmpeg 5.1) for testsrc2. */
const X264_1080P =
  '01640028ffe1001b67640028acd940780227e5c044000003000400000300c83c60c65801000668ebe3cb22c0fdf8f800';
const X264_180P =
  '0164000cffe1001a6764000cacd941419f9f011000000300100000030320f142996001000668ebe3cb22c0fdf8f800';
const X264_180P_MAIN = '014d400cffe10019674d400ceca0a0cfcf80880000030008000003019078a14cb001000568ebe3cb20';

export const high1080: VideoFormat = videoFormat(X264_1080P, 'avc1.640028', { width: 1920, height: 1080 });
export const high180: VideoFormat = videoFormat(X264_180P, 'avc1.64000c', { width: 320, height: 180 });
export const main180: VideoFormat = videoFormat(X264_180P_MAIN, 'avc1.4d400c', { width: 320, height: 180 });
export const stereo48: AudioFormat = audioFormat('1190', 48_000);
export const stereo44: AudioFormat = audioFormat('1210', 44_100);

export function track(
  type: Track['type'],
  options: { readonly ordinal: number; readonly bitrateBps: number; readonly formats: Track['formats'] },
): Track {
  return { type, streamName: type, folder: `${type}_${options.bitrateBps}`, ...options };
}

/** A stretch of equally long fragments without gaps. */
export interface Stretch {
  readonly startTicks: number;
  readonly count: number;
  readonly durationTicks?: number;
  readonly discontinuity?: number;
  readonly formatIndex?: number;
}

/** Sizes are what the track's bitrate makes of the duration, a tenth more in every fifth fragment. */
export function trackIndex(of: Track, stretches: readonly Stretch[]): TrackIndex {
  const fragments: FragmentEntry[] = [];
  let firstSample = 0;
  for (const { startTicks, count, durationTicks = 2 * SECOND, ...rest } of stretches) {
    for (let at = 0; at < count; at += 1) {
      const sequence = fragments.length;
      const sampleCount = Math.max(
        1,
        Math.round((durationTicks / SECOND) * (of.type === 'video' ? 25 : 46.875)),
      );
      const decodeTimeTicks = startTicks + at * durationTicks;
      fragments.push({
        sequence,
        decodeTimeTicks,
        durationTicks,
        sizeBytes: Math.round(
          ((of.bitrateBps * durationTicks) / SECOND / 8) * (sequence % 5 === 4 ? 1.1 : 1),
        ),
        sampleCount,
        firstSample,
        discontinuity: rest.discontinuity ?? 0,
        formatIndex: rest.formatIndex ?? 0,
        committedAtMs: 0,
      });
      firstSample += sampleCount;
    }
  }
  return { track: of, fragments };
}

export function presentation(
  tracks: readonly TrackIndex[],
  extra: Partial<PresentationIndex> = {},
): PresentationIndex {
  return { state: 'live', tracks, rewindTicks: undefined, ...extra };
}

function videoFormat(
  record: string,
  codecString: string,
  size: { readonly width: number; readonly height: number },
): VideoFormat {
  return { kind: 'h264', configurationRecord: fromHex(record), codecString, ...size, frameRate: 25 };
}

function audioFormat(config: string, sampleRateHz: number): AudioFormat {
  return {
    kind: 'aac',
    configurationRecord: fromHex(config),
    codecString: 'mp4a.40.2',
    sampleRateHz,
    channelCount: 2,
  };
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
