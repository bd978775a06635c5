import {
  type AdaptationSet,
  type Mpd,
  type Period,
  type Representation,
  writeMpdText,
} from '../manifests/dash.ts';
import type { FragmentEntry, PresentationIndex } from '../model/presentation.ts';
import { isVideoFormat } from '../model/track.ts';
import { TICKS_PER_SECOND, TIMELINE_EPOCH_MS } from '../time/timescale.ts';
import { type PartOfTrack, type PeriodOfTracks, splitIntoPeriods } from './dash-periods.ts';
import { endTicksOf } from './fragment-window.ts';
import { longestFragmentTicks, measureTrack } from './track-measures.ts';

const FORMAT = 'format=mpd-time-cmaf';
const MIN_BUFFER_TICKS = 2 * TICKS_PER_SECOND;
const FRAGMENT_TICKS_UNKNOWN = 2 * TICKS_PER_SECOND;
/** How far behind the live edge players begin, in fragments: as hls.js holds back three target durations. */
const LIVE_DELAY_FRAGMENTS = 3;
/** After its end a presentation keeps its live timeline this long, for those who watched it live. */
const LIVE_TIMELINE_AFTER_END_MS = 60_000;
/** Of that, how long its MPD is dynamic for who has not seen the end in one yet. */
const CLOSING_MS = 20_000;
const CLOSING_RELOAD_TICKS = TICKS_PER_SECOND;
/** Tracks that end within this of each other end together. */
const SAME_END_TICKS = TICKS_PER_SECOND / 2;

/**
 * - `live`: more is to come.
 * - `closing`: dynamic, with the end; reloaded once more, from an address that says so.
 * - `closed`: static with the live timeline and Periods, ending where the first of the tracks ends.
 * - `onDemand`: static, from 0.
 *
 * Shaka Player needs both steps: it never ends in a dynamic presentation; one that turns static without its end known
 * before is moved on the timeline, so that the last segments are lost; and it waits for ever for a track that ends some
 * microseconds before the others. (It plays what it has buffered beyond the end.)
 */
export type MpdPhase = 'live' | 'closing' | 'closed' | 'onDemand';

/**
 * `knowsEnd`: it is asked for by who has the closing one. Depends on the index and the time alone, so that origin
 * processes behind one port agree.
 */
export function mpdPhaseOf(index: PresentationIndex, nowMs: number, knowsEnd: boolean): MpdPhase {
  if (index.state === 'live') return 'live';
  if (index.endedAtMs === undefined) return 'onDemand';
  const sinceEndMs = nowMs - index.endedAtMs;
  if (sinceEndMs >= LIVE_TIMELINE_AFTER_END_MS) return 'onDemand';
  return sinceEndMs < CLOSING_MS && !knowsEnd ? 'closing' : 'closed';
}

/** What an MPD depends on beside the index. */
export interface MpdOptions {
  readonly nowMs: number;
  readonly utcTimingUrl?: string;
  /** As in `mpdPhaseOf`. */
  readonly knowsEnd?: boolean;
  /** Where `closing` is followed by `closed`. */
  readonly closedUrl?: string;
}

/** The MPD of all tracks. Before the first fragment its one Period is empty, which players take as "ask again". */
export function writeMpd(index: PresentationIndex, options: MpdOptions): string {
  const phase = mpdPhaseOf(index, options.nowMs, options.knowsEnd === true);
  const isOnDemand = phase === 'onDemand';
  const periods = splitIntoPeriods(isOnDemand ? index : { ...index, state: 'live' });
  const [first] = periods;
  const longestTicks = longestFragmentTicks(index);
  // Live: presentation time = timeline, so Periods stay put while the window moves. On demand: it begins at 0.
  const originTicks = isOnDemand && first !== undefined ? startTicksOf(first) : 0;
  const endTicks = Math.max(
    originTicks,
    ...periods.map(phase === 'closed' ? commonEndTicks : periodEndTicks),
  );
  const presentation: Mpd['presentation'] =
    phase === 'live' || phase === 'closing'
      ? {
          type: 'dynamic',
          availabilityStartTimeMs: TIMELINE_EPOCH_MS,
          publishTimeMs: options.nowMs,
          ...(phase === 'closing'
            ? {
                minimumUpdatePeriodTicks: CLOSING_RELOAD_TICKS,
                durationTicks: endTicks,
                locationUrl: options.closedUrl,
              }
            : {
                minimumUpdatePeriodTicks: longestTicks ?? FRAGMENT_TICKS_UNKNOWN,
                durationTicks: undefined,
                locationUrl: undefined,
              }),
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
      first === undefined
        ? [{ id: 'p0', startTicks: 0, adaptationSets: [] }]
        : periods.map((period) => toPeriod(index, period, originTicks)),
  });
}

function toPeriod(index: PresentationIndex, period: PeriodOfTracks, originTicks: number): Period {
  const { changedAtTicks = 0 } = period;
  const offsetTicks = Math.max(changedAtTicks, originTicks); // on the media timeline
  const setsOf = (type: 'video' | 'audio') =>
    groupByStreamName(period.parts.filter(({ trackIndex }) => trackIndex.track.type === type)).map((parts) =>
      toAdaptationSet(index, type, parts, offsetTicks),
    );
  return {
    id: `p${changedAtTicks}`,
    startTicks: offsetTicks - originTicks,
    adaptationSets: [...setsOf('video'), ...setsOf('audio')],
  };
}

function groupByStreamName(parts: readonly PartOfTrack[]): readonly [PartOfTrack, ...PartOfTrack[]][] {
  const groups = new Map<string, [PartOfTrack, ...PartOfTrack[]]>();
  for (const part of parts) {
    const { streamName } = part.trackIndex.track;
    const group = groups.get(streamName);
    if (group === undefined) groups.set(streamName, [part]);
    else group.push(part);
  }
  return [...groups.values()];
}

function toAdaptationSet(
  index: PresentationIndex,
  type: 'video' | 'audio',
  parts: readonly [PartOfTrack, ...PartOfTrack[]],
  offsetTicks: number,
): AdaptationSet {
  const { streamName, label, language } = parts[0].trackIndex.track;
  const firstOfType = index.tracks.find(({ track }) => track.type === type);
  const ordinals = index.tracks.flatMap(({ track }) =>
    track.streamName === streamName ? [track.ordinal] : [],
  );
  return {
    id: Math.min(...ordinals), // the same in every Period, and when other streams come or go
    contentType: type,
    label,
    language,
    role: firstOfType?.track.streamName === streamName ? 'main' : 'alternate',
    representations: parts.map((part) => toRepresentation(part, offsetTicks)),
  };
}

function toRepresentation(part: PartOfTrack, offsetTicks: number): Representation {
  const { track } = part.trackIndex;
  const [{ formatIndex }] = part.fragments;
  const format = track.formats[formatIndex];
  if (format === undefined) throw new RangeError(`no format ${formatIndex} of ${track.formats.length}`);
  const init = formatIndex === 0 ? 'i' : `i${formatIndex}`;
  const prefix = `QualityLevels($Bandwidth$)/Fragments(${track.streamName}`;
  return {
    id: track.folder,
    bandwidthBps: track.bitrateBps, // names the quality level in the template, so not the measured one
    codecs: format.codecString,
    video: isVideoFormat(format)
      ? {
          width: format.width,
          height: format.height,
          frameRate: format.frameRate ?? measureTrack(part.trackIndex).sampleRate,
        }
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

function startTicksOf(period: PeriodOfTracks): number {
  return Math.min(...period.parts.map(({ fragments: [first] }) => first.decodeTimeTicks));
}

function periodEndTicks(period: PeriodOfTracks): number {
  return Math.max(...period.parts.map(({ fragments }) => endTicksOf(fragments.at(-1) ?? fragments[0])));
}

/** Where the first of those tracks ends that reach the end; one that fell silent before does not cut the others. */
function commonEndTicks(period: PeriodOfTracks): number {
  const lastTicks = periodEndTicks(period);
  const ends = period.parts.map(({ fragments }) => endTicksOf(fragments.at(-1) ?? fragments[0]));
  return Math.min(...ends.filter((endTicks) => lastTicks - endTicks <= SAME_END_TICKS));
}
