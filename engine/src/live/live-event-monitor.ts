import type { Track } from '../model/track.ts';
import type { Irregularity } from './byte-stream-segmenter.ts';
import { EventQueue } from './event-queue.ts';
import { decideHealth, type HealthFacts } from './health.ts';
import type { LiveDeps } from './live-deps.ts';
import * as liveEvents from './live-events.ts';
import type { LiveFragment } from './live-fragment.ts';
import { type IngestHeartbeat, TrackMonitor } from './track-monitor.ts';

/** Key-frame intervals looked back on for the health. */
const INTERVALS_REMEMBERED = 5;

type SessionFacts = Omit<HealthFacts, 'longestKeyFrameIntervalTicks' | 'unexpectedBitrate' | 'nonIncreasing'>;

/** What is told about a live event: heartbeats per track, and its health when that changes. */
export class LiveEventMonitor {
  readonly events: EventQueue;
  readonly #liveEventName: string;
  readonly #deps: LiveDeps;
  readonly #tracks = new Map<string, TrackMonitor>();
  readonly #heartbeats = new Map<string, IngestHeartbeat>();
  readonly #keyFrameIntervals: number[] = [];
  #health: ReturnType<typeof decideHealth> = { health: 'unknown', reasons: [] };

  constructor(liveEventName: string, deps: LiveDeps) {
    this.#liveEventName = liveEventName;
    this.#deps = deps;
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
    if (irregularity === 'overlap') monitor?.countOverlap();
    else if (irregularity === 'nonIncreasing') monitor?.countNonIncreasing();
    else monitor?.countDiscontinuity();
  }

  fragment({ track, decodeTimeTicks, durationTicks }: LiveFragment): void {
    this.#tracks.get(track.folder)?.addFragment(this.#deps.clock.now(), decodeTimeTicks);
    if (track.type !== 'video') return;
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
    const archive = { latencyMs: archiveLatencyMs, latencyResultCode: 'S_OK' };
    events.emitTransient(liveEvents.channelArchiveHeartbeat(this.#liveEventName, archive));
  }

  /** Only what an encoder feeds now is judged: a rung that was taken away on purpose is no fault. */
  watch(fedFolders: ReadonlySet<string>, facts: SessionFacts): void {
    const fed = [...this.#heartbeats].filter(([folder]) => fedFolders.has(folder));
    const heartbeats = fed.map(([, heartbeat]) => heartbeat);
    const next = decideHealth({
      ...facts,
      longestKeyFrameIntervalTicks: Math.max(0, ...this.#keyFrameIntervals),
      unexpectedBitrate: heartbeats.some(({ unexpectedBitrate }) => unexpectedBitrate),
      nonIncreasing: heartbeats.some(({ nonincreasingCount }) => nonincreasingCount > 0),
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
}
