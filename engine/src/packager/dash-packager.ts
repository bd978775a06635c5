import {
  type AdaptationSet,
  type Mpd,
  type Period,
  type Representation,
  writeMpdText,
} from '../manifests/dash.ts';
import type { FragmentEntry, PresentationIndex } from '../model/presentation.ts';
import { TICKS_PER_SECOND, TIMELINE_EPOCH_MS } from '../time/timescale.ts';
import { type PartOfTrack, type PeriodOfTracks, splitIntoPeriods } from './dash-periods.ts';
import { endTicksOf } from './fragment-window.ts';
import { measureTrack } from './track-measures.ts';

const FORMAT = 'format=mpd-time-cmaf';
const MIN_BUFFER_TICKS = 2 * TICKS_PER_SECOND;
const FRAGMENT_TICKS_UNKNOWN = 2 * TICKS_PER_SECOND;
/** How far behind the live edge players begin, in fragments: as hls.js holds back three target durations. */
const LIVE_DELAY_FRAGMENTS = 3;

/** The MPD of all tracks. Before the first fragment its one Period is empty, which players take as "ask again". */
export function writeMpd(
  index: PresentationIndex,
  options: { readonly nowMs: number; readonly utcTimingUrl?: string },
): string {
  const periods = splitIntoPeriods(index);
  const longestTicks = longestFragmentTicks(periods);
  // Live: presentation time = timeline, so Periods stay put while the window moves. Ended: it begins at 0.
  const originTicks = index.state === 'live' ? 0 : (periods[0]?.startTicks ?? 0);
  const endTicks = Math.max(originTicks, ...periods.map(periodEndTicks));
  const presentation: Mpd['presentation'] =
    index.state === 'live'
      ? {
          type: 'dynamic',
          availabilityStartTimeMs: TIMELINE_EPOCH_MS,
          publishTimeMs: options.nowMs,
          minimumUpdatePeriodTicks: longestTicks ?? FRAGMENT_TICKS_UNKNOWN,
          timeShiftBufferDepthTicks: index.rewindTicks,
          suggestedPresentationDelayTicks: LIVE_DELAY_FRAGMENTS * (longestTicks ?? FRAGMENT_TICKS_UNKNOWN),
          utcTimingUrl: options.utcTimingUrl,
        }
      : { type: 'static', durationTicks: endTicks - originTicks };
  return writeMpdText({
    presentation,
    minBufferTimeTicks: MIN_BUFFER_TICKS,
    maxSegmentDurationTicks: longestTicks,
    periods:
      periods.length === 0
        ? [{ id: 'p0', startTicks: 0, adaptationSets: [] }]
        : periods.map((period, at) =>
            toPeriod(period, at === 0 ? originTicks : period.startTicks, originTicks),
          ),
  });
}

/** `offsetTicks` on the media timeline is where the Period begins. */
function toPeriod(period: PeriodOfTracks, offsetTicks: number, originTicks: number): Period {
  const setsOf = (type: 'video' | 'audio') =>
    groupByStreamName(period.parts.filter(({ trackIndex }) => trackIndex.track.type === type));
  const sets = [...setsOf('video'), ...setsOf('audio')];
  return {
    id: `p${period.ordinal}`,
    startTicks: offsetTicks - originTicks,
    adaptationSets: sets.map((parts, at) => toAdaptationSet(parts, at + 1, offsetTicks)),
  };
}

function groupByStreamName(parts: readonly PartOfTrack[]): readonly (readonly PartOfTrack[])[] {
  const names = new Set(parts.map(({ trackIndex }) => trackIndex.track.streamName));
  return [...names].map((name) => parts.filter(({ trackIndex }) => trackIndex.track.streamName === name));
}

function toAdaptationSet(parts: readonly PartOfTrack[], id: number, offsetTicks: number): AdaptationSet {
  const isVideo = parts[0]?.trackIndex.track.type === 'video';
  return {
    id,
    contentType: isVideo ? 'video' : 'audio',
    representations: parts.map((part) => toRepresentation(part, offsetTicks)),
  };
}

function toRepresentation(part: PartOfTrack, offsetTicks: number): Representation {
  const { track } = part.trackIndex;
  const [{ formatIndex }] = part.fragments;
  const format = track.formats[formatIndex];
  if (format === undefined) throw new RangeError(`no format ${formatIndex} of ${track.formats.length}`);
  const measured = measureTrack(part.trackIndex).sampleRate;
  const init = formatIndex === 0 ? 'i' : `i${formatIndex}`;
  const prefix = `QualityLevels($Bandwidth$)/Fragments(${track.streamName}`;
  return {
    id: track.folder,
    bandwidthBps: track.bitrateBps, // names the quality level in the template, so not the measured one
    codecs: format.codecString,
    video:
      format.kind === 'h264'
        ? { width: format.width, height: format.height, frameRate: format.frameRate ?? measured }
        : undefined,
    audio:
      format.kind === 'aac'
        ? { sampleRateHz: format.sampleRateHz, channelCount: format.channelCount }
        : undefined,
    segmentTemplate: {
      initialization: `${prefix}=${init},${FORMAT})`,
      media: `${prefix}=$Time$,${FORMAT})`,
      presentationTimeOffsetTicks: offsetTicks,
      segments: part.fragments.map(toSegment),
    },
  };
}

function toSegment(entry: FragmentEntry): { startTicks: number; durationTicks: number } {
  return { startTicks: entry.decodeTimeTicks, durationTicks: entry.durationTicks };
}

function periodEndTicks(period: PeriodOfTracks): number {
  return Math.max(...period.parts.map(({ fragments }) => endTicksOf(fragments.at(-1) ?? fragments[0])));
}

function longestFragmentTicks(periods: readonly PeriodOfTracks[]): number | undefined {
  let longest = 0;
  for (const { parts } of periods) {
    for (const { fragments } of parts) {
      for (const { durationTicks } of fragments) longest = Math.max(longest, durationTicks);
    }
  }
  return longest === 0 ? undefined : longest;
}
