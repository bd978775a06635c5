import type { IngestResultCode, PublishedTrack } from '../ingest/publish-session.ts';
import { isVideoFormat } from '../model/track.ts';
import type { LiveEventView } from './live-directory.ts';

/** What a live event of one type takes in (media-services reference §2.1). */
export interface IngestLimits {
  readonly totalVideoBps: number;
  readonly videoBps: number;
  readonly longSidePixels: number;
  readonly shortSidePixels: number;
  readonly framesPerSecond: number;
  readonly videoTracks: number;
  readonly audioTracks: number;
}

const MEGABIT = 1_000_000;
/** As many qualities as anybody sends, and room to spare; the registry of tracks is bounded as well. */
const TRACKS_UNLIMITED = 32;

const PASSTHROUGH_STANDARD: IngestLimits = {
  totalVideoBps: 60 * MEGABIT,
  videoBps: 20 * MEGABIT,
  longSidePixels: 4096,
  shortSidePixels: 2160,
  framesPerSecond: 60,
  videoTracks: TRACKS_UNLIMITED,
  audioTracks: TRACKS_UNLIMITED,
};

const ENCODING: IngestLimits = {
  totalVideoBps: 20 * MEGABIT,
  videoBps: 20 * MEGABIT,
  longSidePixels: 1920,
  shortSidePixels: 1088,
  framesPerSecond: 60,
  videoTracks: 1,
  audioTracks: 1,
};

export const INGEST_LIMITS: Readonly<Record<LiveEventView['encodingType'], IngestLimits>> = {
  None: PASSTHROUGH_STANDARD,
  PassthroughStandard: PASSTHROUGH_STANDARD,
  PassthroughBasic: {
    ...PASSTHROUGH_STANDARD,
    totalVideoBps: 5 * MEGABIT,
    videoBps: 4 * MEGABIT,
    audioTracks: 1,
  },
  Standard: ENCODING,
  Premium1080p: ENCODING,
};

/** Encoders that say 60 send 60.05: the milliseconds of RTMP round. */
const FRAME_RATE_TOLERANCE = 1.01;
/** Of a measured bitrate: an encoder at its limit overshoots with every scene change. */
const MEASURED_BITRATE_TOLERANCE = 1.5;

/** The video that is fed into the live event by others than the track that is judged. */
export interface OtherVideo {
  readonly tracks: number;
  readonly totalBps: number;
}

/** Why a video track as declared (or measured where nothing was) is too much for a live event of this type. */
export function decideVideo(
  track: Pick<PublishedTrack, 'format' | 'declaredBitrateBps' | 'declaredFrameRate'>,
  others: OtherVideo,
  limits: IngestLimits,
): IngestResultCode | undefined {
  const { format, declaredBitrateBps = 0 } = track;
  if (!isVideoFormat(format)) return undefined;
  if (others.tracks >= limits.videoTracks) return 'MPE_INGEST_MEDIA_QUALITIES_EXCEEDED';
  if (!isPictureAllowed(format, limits)) return 'MPE_INGEST_VIDEO_RESOLUTION_NOT_SUPPORTED';
  // What the bitstream says of its frame rate is often only its clock; what is really sent is measured.
  if (!isFrameRateAllowed(track.declaredFrameRate ?? 0, limits)) return 'MPE_INGEST_FRAMERATE_EXCEEDED';
  return isBitrateAllowed(declaredBitrateBps, others, limits)
    ? undefined
    : 'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED';
}

/** The same for what is seen over several seconds, with some tolerance. */
export function decideMeasuredVideo(
  seen: { readonly bitrateBps: number; readonly framesPerSecond: number },
  limits: IngestLimits,
): IngestResultCode | undefined {
  if (!isFrameRateAllowed(seen.framesPerSecond, limits)) return 'MPE_INGEST_FRAMERATE_EXCEEDED';
  return seen.bitrateBps <= limits.videoBps * MEASURED_BITRATE_TOLERANCE
    ? undefined
    : 'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED';
}

/** Portrait pictures are as large as landscape ones. */
function isPictureAllowed(picture: { width: number; height: number }, limits: IngestLimits): boolean {
  const { width, height } = picture;
  return (
    Math.max(width, height) <= limits.longSidePixels && Math.min(width, height) <= limits.shortSidePixels
  );
}

function isFrameRateAllowed(framesPerSecond: number, limits: IngestLimits): boolean {
  return framesPerSecond <= limits.framesPerSecond * FRAME_RATE_TOLERANCE;
}

function isBitrateAllowed(bitrateBps: number, others: OtherVideo, limits: IngestLimits): boolean {
  return bitrateBps <= limits.videoBps && bitrateBps + others.totalBps <= limits.totalVideoBps;
}
