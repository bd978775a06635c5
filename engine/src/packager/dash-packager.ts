import { contentProtectionOf } from '../drm/content-protection.ts';
import {
  type AdaptationSet,
  type Mpd,
  type Period,
  type Representation,
  writeMpdText,
} from '../manifests/dash.ts';
import type { FragmentEntry, PresentationIndex } from '../model/presentation.ts';
import type { Protection } from '../model/protection.ts';
import { isCaptions, isVideoFormat, type Track } from '../model/track.ts';
import { TICKS_PER_SECOND, TIMELINE_EPOCH_MS } from '../time/timescale.ts';
import { type PartOfTrack, type PeriodOfTracks, splitIntoPeriods } from './dash-periods.ts';
import { endTicksOf } from './fragment-window.ts';
import { type DashFormat, type StreamingForm, writeForm } from './streaming-path.ts';
import { longestFragmentTicks, measureTrack } from './track-measures.ts';
import { defaultSound } from './ts-segments.ts';

const PROFILES: Readonly<Record<DashFormat, readonly string[]>> = {
  'mpd-time-cmaf': ['urn:mpeg:dash:profile:isoff-live:2011', 'urn:mpeg:dash:profile:cmaf:2019'],
  'mpd-time-csf': ['urn:mpeg:dash:profile:isoff-live:2011'],
};
const CLEAR_CMAF: StreamingForm = {
  format: 'mpd-time-cmaf',
  encryption: undefined,
  filters: [],
  isAudioOnlyListed: false,
  defaultAudio: undefined,
};
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
  /** Whose addresses it writes; CMAF in the clear when there is none. */
  readonly form?: StreamingForm;
  /** Absent: in the clear. */
  readonly protection?: Protection | undefined;
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
  const originTicks = isOnDemand && first !== undefined ? originOf(index, first) : 0;
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
          suggestedPresentationDelayTicks:
            LIVE_DELAY_FRAGMENTS * (longestTicks ?? FRAGMENT_TICKS_UNKNOWN) + (index.liveBackoffTicks ?? 0),
          utcTimingUrl: options.utcTimingUrl,
        }
      : { type: 'static', durationTicks: endTicks - originTicks };
  const form = options.form ?? CLEAR_CMAF;
  const writing = { index, form, protection: options.protection };
  return writeMpdText({
    profiles: PROFILES[form.format === 'mpd-time-csf' ? form.format : 'mpd-time-cmaf'],
    presentation,
    minBufferTimeTicks: MIN_BUFFER_TICKS,
    maxSegmentDurationTicks: longestTicks,
    periods:
      first === undefined
        ? [{ id: 'p0', startTicks: 0, adaptationSets: [] }]
        : periods.map((period) => toPeriod(writing, period, originTicks)),
  });
}

interface Writing {
  readonly index: PresentationIndex;
  readonly form: StreamingForm;
  readonly protection: Protection | undefined;
}

function toPeriod(writing: Writing, period: PeriodOfTracks, originTicks: number): Period {
  const { changedAtTicks = 0 } = period;
  const offsetTicks = Math.max(changedAtTicks, originTicks); // on the media timeline
  const setsOf = (type: Track['type']) => {
    const parts = period.parts.filter(
      ({ trackIndex: { track } }) => track.type === type && (type !== 'text' || isCaptions(track)),
    );
    const groups = groupBySet(writing, type === 'text' ? parts.toSorted(byDefault) : parts);
    return groups.map((group) => toAdaptationSet(writing, { groups, group, type, offsetTicks }));
  };
  return {
    id: `p${changedAtTicks}`,
    startTicks: offsetTicks - originTicks,
    adaptationSets: [...setsOf('video'), ...setsOf('audio'), ...setsOf('text')],
  };
}

/** Players of DASH begin with the first. */
const byDefault = (a: PartOfTrack, b: PartOfTrack): number => rankOf(a) - rankOf(b);
const rankOf = ({ trackIndex: { track } }: PartOfTrack): number =>
  track.settings?.isDefault === true ? 0 : 1;

type PartsOfSet = readonly [PartOfTrack, ...PartOfTrack[]];

/** One stream, and one key: players take what protects the first Representation for all of its AdaptationSet. */
function groupBySet(writing: Writing, parts: readonly PartOfTrack[]): readonly PartsOfSet[] {
  const groups = new Map<string, [PartOfTrack, ...PartOfTrack[]]>();
  for (const part of parts) {
    const name = setNameOf(writing, part.trackIndex.track);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [part]);
    else group.push(part);
  }
  return [...groups.values()];
}

function setNameOf({ protection }: Writing, track: Track): string {
  return `${track.streamName}!${protection?.keyOf(track)?.id ?? ''}`;
}

function toAdaptationSet(
  writing: Writing,
  set: {
    readonly groups: readonly PartsOfSet[];
    readonly group: PartsOfSet;
    readonly type: Track['type'];
    readonly offsetTicks: number;
  },
): AdaptationSet {
  const { group, type } = set;
  const { track } = group[0].trackIndex;
  const { streamName, label, language } = track;
  const key = writing.protection?.keyOf(track);
  const others = set.groups.filter(
    (other) => other !== group && other[0].trackIndex.track.streamName === streamName,
  );
  return {
    id: setIdOf(writing, track),
    contentType: type,
    label,
    language,
    roles: rolesOf(track, mainStreamName(writing, type) === streamName),
    accessibility: accessibilityOf(track),
    protections:
      key === undefined || writing.protection === undefined
        ? []
        : contentProtectionOf(key, writing.protection),
    switchableWith: others.map(([{ trackIndex }]) => setIdOf(writing, trackIndex.track)),
    representations: group.map((part) => toRepresentation(part, writing.form, set.offsetTicks)),
  };
}

/** §5.8.5.5. Players tell subtitles that are always shown by their role, and those for who cannot hear. */
function rolesOf({ type, settings }: Track, isMain: boolean): readonly string[] {
  if (type !== 'text') return [isMain ? 'main' : (settings?.role ?? 'alternate')];
  const kind = settings?.isForced === true ? 'forced-subtitle' : isForDeaf(settings) ? 'caption' : 'subtitle';
  return settings?.isDefault === true ? [kind, 'main'] : [kind];
}

function accessibilityOf({ type, settings }: Track): readonly string[] {
  if (type === 'audio') return settings?.isDescription === true ? ['description'] : [];
  return type === 'text' && isForDeaf(settings) ? ['caption'] : [];
}

/** As RFC 8216bis §4.4.6.1 has it. */
function isForDeaf(settings: Track['settings']): boolean {
  return /\bpublic\.accessibility\.(?:transcribes-spoken-dialog|describes-music-and-sound)\b/.test(
    settings?.characteristics ?? '',
  );
}

/** The same in every Period, and when other streams come or go. */
function setIdOf(writing: Writing, track: Track): number {
  const name = setNameOf(writing, track);
  const tracks = writing.index.tracks.map((trackIndex) => trackIndex.track);
  return Math.min(
    ...tracks.filter((other) => setNameOf(writing, other) === name).map(({ ordinal }) => ordinal),
  );
}

/** What players begin with: the sound that the address asks for, else what is said to be it, else the first stream. */
function mainStreamName({ index, form }: Writing, type: Track['type']): string | undefined {
  if (type === 'audio') return defaultSound(index, form)?.track.streamName;
  return index.tracks.find(({ track }) => track.type === type)?.track.streamName;
}

function toRepresentation(part: PartOfTrack, form: StreamingForm, offsetTicks: number): Representation {
  const { track } = part.trackIndex;
  const [{ formatIndex }] = part.fragments;
  const format = track.formats[formatIndex];
  if (format === undefined) throw new RangeError(`no format ${formatIndex} of ${track.formats.length}`);
  const init = formatIndex === 0 ? 'i' : `i${formatIndex}`;
  const prefix = `QualityLevels($Bandwidth$)/Fragments(${track.streamName}`;
  const keys = writeForm(form);
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
      initialization: `${prefix}=${init},${keys})`,
      media: `${prefix}=$Time$,${keys})`,
      presentationTimeOffsetTicks: offsetTicks,
      segments: part.fragments.map(toSegment),
    },
  };
}

function toSegment(entry: FragmentEntry): { startTicks: number; durationTicks: number } {
  return { startTicks: entry.decodeTimeTicks, durationTicks: entry.durationTicks };
}

/**
 * Of files, where their time 0 is, though the first picture is decoded before it is shown: players cut off what is shown
 * earlier (§5.3.9.6.1). A hole at the beginning makes them seek, on which Shaka Player 5.2 may lose its text for good.
 */
function originOf({ filesZeroTicks = 0 }: PresentationIndex, first: PeriodOfTracks): number {
  return Math.max(startTicksOf(first), Math.min(filesZeroTicks, firstEndTicksOf(first) - 1));
}

function firstEndTicksOf({ parts }: PeriodOfTracks): number {
  return Math.min(...parts.map(({ fragments: [first] }) => endTicksOf(first)));
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
