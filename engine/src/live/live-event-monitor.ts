import type { Track } from '../model/track.ts';
import { EventQueue } from './event-queue.ts';
import { decideHealth, type HealthFacts, KEY_FRAME_INTERVAL_TICKS_MAX } from './health.ts';
import { KeyFrameAlignment } from './key-frame-alignment.ts';
import type { LiveDeps } from './live-deps.ts';
import * as liveEvents from './live-events.ts';
import type { LiveFragment } from './live-fragment.ts';
import type { Irregularity } from './segmented-event.ts';
import { SyncWatch } from './sync-watch.ts';
import { type IngestHeartbeat, TrackMonitor } from './track-monitor.ts';

/** Key-frame intervals looked back on for the health. */
const INTERVALS_REMEMBERED = 5;
/** Irregularities of one kind that are told of one track between two heartbeats; all of them are counted. */
const TOLD_PER_HEARTBEAT_MAX = 5;

type SeenHere =
  | 'longestKeyFrameIntervalTicks'
  | 'unexpectedBitrate'
  | 'nonIncreasing'
  | 'overlaps'
  | 'hasGaps'
  | 'tracksOutOfSync'
  | 'videosOutOfSync'
  | 'keyFramesMisaligned'
  | 'lagSecondsPerMinute';
type SessionFacts = Omit<HealthFacts, SeenHere>;

/** What is told about a live event: heartbeats per track, what is wrong with one, and its health when that changes. */
export class LiveEventMonitor {
  readonly events: EventQueue;
  readonly #liveEventName: string;
  readonly #deps: LiveDeps;
  readonly #tracks = new Map<string, TrackMonitor>();
  readonly #heartbeats = new Map<string, IngestHeartbeat>();
  readonly #keyFrameIntervals: number[] = [];
  readonly #alignment = new KeyFrameAlignment();
  readonly #sync: SyncWatch;
  #health: ReturnType<typeof decideHealth> = { health: 'unknown', reasons: [] };

  constructor(liveEventName: string, deps: LiveDeps, options: { readonly arrivesInFragments: boolean }) {
    this.#liveEventName = liveEventName;
    this.#deps = deps;
    this.#sync = new SyncWatch(options.arrivesInFragments);
    this.events = new EventQueue((events) => deps.events.record(events), deps.log);
  }

  trackStarted(track: Track): void {
    if (this.#tracks.has(track.folder)) return;
    const { type: trackType, streamName: trackName, bitrateBps } = track;
    const nowMs = this.#deps.clock.now();
    this.#tracks.set(track.folder, new TrackMonitor({ trackType, trackName, bitrateBps, nowMs }));
  }

  sampleTaken(track: Track, dtsTicks: number, sizeBytes: number): void {
    this.#tracks.get(track.folder)?.addSample(dtsTicks, sizeBytes);
  }

  irregular(track: Track, irregularity: Irregularity): void {
    const monitor = this.#tracks.get(track.folder);
    if (monitor === undefined) return;
    const about = { ...monitor.facts, liveEventName: this.#liveEventName };
    const { overlaps, discontinuities, nonIncreasing } = monitor.irregularities;
    if (irregularity.kind === 'discontinuity') {
      monitor.countDiscontinuity();
      if (discontinuities >= TOLD_PER_HEARTBEAT_MAX) return;
      const { previousTicks, newTicks, gapTicks } = irregularity;
      this.events.add(
        liveEvents.trackDiscontinuityDetected({
          ...about,
          previousTimestampTicks: previousTicks,
          newTimestampTicks: newTicks,
          discontinuityGapTicks: gapTicks,
        }),
      );
      return;
    }
    const { kind, timestampTicks, isDropped } = irregularity;
    if (kind === 'overlap') monitor.countOverlap();
    else monitor.countNonIncreasing();
    const told = kind === 'overlap' ? overlaps : nonIncreasing;
    // What is mended is counted, and nothing of it is lost.
    if (!isDropped || told >= TOLD_PER_HEARTBEAT_MAX) return;
    const resultCode = DROP_CODES[kind];
    this.events.add(liveEvents.incomingDataChunkDropped({ ...about, timestampTicks, resultCode }));
  }

  fragment({ track, decodeTimeTicks, durationTicks }: LiveFragment): void {
    this.#tracks.get(track.folder)?.addFragment(this.#deps.clock.now(), decodeTimeTicks, durationTicks);
    if (track.type !== 'video') return;
    this.#alignment.add(track.folder, decodeTimeTicks);
    this.#keyFrameIntervals.push(durationTicks);
    if (this.#keyFrameIntervals.length > INTERVALS_REMEMBERED) this.#keyFrameIntervals.shift();
  }

  /** `archiveLatencyMs` is undefined when nothing is recorded. */
  heartbeat(state: string, archiveLatencyMs: number | undefined): void {
    const { clock, events } = this.#deps;
    for (const [folder, monitor] of this.#tracks) {
      const heartbeat = monitor.takeHeartbeat(clock.now(), state);
      this.#heartbeats.set(folder, heartbeat);
      events.emitTransient(liveEvents.ingestHeartbeat(this.#liveEventName, heartbeat));
    }
    if (archiveLatencyMs === undefined) return;
    const latencyResultCode = this.#latencyResultCode();
    // A latency that means nothing is not told (reference §6).
    const latencyMs = latencyResultCode === 'S_OK' ? archiveLatencyMs : undefined;
    events.emitTransient(
      liveEvents.channelArchiveHeartbeat(this.#liveEventName, { latencyMs, latencyResultCode }),
    );
  }

  /** Only what an encoder feeds now is judged: a rung that was taken away on purpose is no fault. */
  watch(fedFolders: ReadonlySet<string>, facts: SessionFacts): void {
    const ofFed = <T>(all: ReadonlyMap<string, T>): T[] =>
      [...all].filter(([folder]) => fedFolders.has(folder)).map(([, value]) => value);
    const heartbeats = ofFed(this.#heartbeats);
    const monitors = ofFed(this.#tracks);
    const irregularities = monitors.map(({ recentIrregularities }) => recentIrregularities);
    const sync = this.#watchSync(monitors);
    const next = decideHealth({
      ...facts,
      longestKeyFrameIntervalTicks: Math.max(0, ...this.#keyFrameIntervals),
      // Silence is coded in a fraction of what was announced for sound: only a picture's bitrate means something.
      unexpectedBitrate: heartbeats.some(
        ({ trackType, unexpectedBitrate }) => trackType === 'video' && unexpectedBitrate,
      ),
      nonIncreasing: irregularities.some(({ nonIncreasing }) => nonIncreasing > 0),
      overlaps: irregularities.some(({ overlaps }) => overlaps > 0),
      hasGaps: irregularities.some(({ discontinuities }) => discontinuities > 0),
      tracksOutOfSync: sync.isOutOfSync,
      videosOutOfSync: sync.isVideoOutOfSync,
      keyFramesMisaligned: this.#alignment.isMisaligned(fedFolders),
      lagSecondsPerMinute: Math.max(
        0,
        ...heartbeats.map(({ ingestDriftValue }) => Number(ingestDriftValue) || 0),
      ),
    });
    const previous = this.#health;
    if (previous.health === next.health && previous.reasons.join() === next.reasons.join()) return;
    this.#health = next;
    const { health, reasons } = next;
    const change = { liveEventName: this.#liveEventName, previous: previous.health, health, reasons };
    this.events.add(liveEvents.healthChanged(change));
  }

  async close(): Promise<void> {
    await this.events.drained();
  }

  #watchSync(monitors: readonly TrackMonitor[]): ReturnType<SyncWatch['look']> {
    const fed = monitors.flatMap(({ facts, newestTicks, newestFragment }) =>
      newestTicks === undefined ? [] : { type: facts.trackType, newestTicks, fragment: newestFragment },
    );
    const look = this.#sync.look(fed, this.#deps.clock.now());
    const { tracks, videos } = look.tell;
    if (tracks !== undefined)
      this.events.add(liveEvents.incomingStreamsOutOfSync(this.#liveEventName, tracks));
    if (videos !== undefined)
      this.events.add(liveEvents.incomingVideoStreamsOutOfSync(this.#liveEventName, videos));
    return look;
  }

  #latencyResultCode(): string {
    if (Math.max(0, ...this.#keyFrameIntervals) > KEY_FRAME_INTERVAL_TICKS_MAX) {
      return 'MPE_KEY_FRAME_INTERVAL_TOO_LARGE';
    }
    const hasGaps = [...this.#heartbeats.values()].some(({ discontinuityCount }) => discontinuityCount > 0);
    return hasGaps ? 'MPE_INGEST_DISCONTINUITY' : 'S_OK';
  }
}

const DROP_CODES = {
  overlap: 'FragmentDrop_OverlapTimestamp',
  nonIncreasing: 'FragmentDrop_NonIncreasingTimestamp',
} as const;
