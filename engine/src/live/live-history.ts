import type { LiveTelemetry } from '../resources/live-telemetry.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import type { LiveNewEvent } from './live-deps.ts';
import { isMedia, plainData, streamEventOf, text, trackIdOf } from './stream-events.ts';

const STREAM_EVENTS_MAX = 200;
const HEARTBEATS_MAX = 180;
const INTERRUPTIONS_MAX = 50;
const TRACKS_MAX = 64;
/** What is judged lies in a heartbeat's time; a second for it to come. */
const JUDGED_MS = 21_000;
const EXCELLENT_SHARE = 0.75;
const GOOD_SHARE = 0.2;
const GOOD_GAP_TICKS_MAX = 10 * TICKS_PER_SECOND;
/** After these a new ingestion begins, where others only interrupt one. */
const ENDS: readonly string[] = ['MPI_REST_API_CHANNEL_STOP', 'MPI_REST_API_CHANNEL_RESET'];

type Data = LiveTelemetry['heartbeats'][number]['data'];
type Ingestion = NonNullable<LiveTelemetry['ingestion']>;

/** What is remembered of a live event's encoders, for the telemetry of the API: bounded, in memory. */
export class LiveHistory {
  readonly #streamEvents: LiveTelemetry['streamEvents'] = [];
  readonly #heartbeats: LiveTelemetry['heartbeats'] = [];
  readonly #latest = new Map<string, { readonly atMs: number; readonly data: Data }>();
  readonly #connected = new Set<string>();
  /** An event that is recorded again after a failure is the same object. */
  readonly #seen = new WeakSet<LiveNewEvent>();
  #ingestion: Ingestion | undefined;

  observe(newEvent: LiveNewEvent, nowMs: number): void {
    if (this.#seen.has(newEvent)) return;
    this.#seen.add(newEvent);
    const eventTime = new Date(nowMs).toISOString();
    const data = plainData(newEvent.data);
    if (newEvent.type === 'Microsoft.Media.LiveEventIngestHeartbeat') {
      if (isMedia(data)) this.#addHeartbeat(data, nowMs);
      return;
    }
    if (newEvent.type === 'Microsoft.Media.LiveEventEncoderConnected') this.#connect(data, eventTime);
    if (newEvent.type === 'Microsoft.Media.LiveEventEncoderDisconnected') this.#disconnect(data, eventTime);
    const streamEvent = streamEventOf(newEvent);
    if (streamEvent !== undefined) keep(this.#streamEvents, { ...streamEvent, eventTime }, STREAM_EVENTS_MAX);
  }

  telemetry(nowMs: number): LiveTelemetry {
    const isFed = this.#connected.size > 0;
    return {
      ...this.#health(nowMs),
      lastUpdatedTime: new Date(nowMs).toISOString(),
      ingestion: this.#ingestion ?? null,
      trackStatus: [...this.#latest].map(([trackId, { data }]) => ({
        trackId,
        expectedBitrate: Number(data['bitrate'] ?? 0),
        incomingBitrate: isFed ? Number(data['incomingBitrate'] ?? 0) : null,
        ingestDrift: isFed ? text(data, 'ingestDriftValue') : '',
      })),
      streamEvents: [...this.#streamEvents],
      heartbeats: [...this.#heartbeats],
    };
  }

  #addHeartbeat(data: Data, nowMs: number): void {
    const arrival = text(data, 'lastFragmentArrivalTime');
    // As the events have it, without a zone; here it is a time with one.
    const lastFragmentArrivalTime = arrival === '' ? null : `${arrival}Z`;
    const eventTime = new Date(nowMs).toISOString();
    keep(this.#heartbeats, { eventTime, data: { ...data, lastFragmentArrivalTime } }, HEARTBEATS_MAX);
    const trackId = trackIdOf(data);
    if (this.#latest.has(trackId) || this.#latest.size < TRACKS_MAX)
      this.#latest.set(trackId, { atMs: nowMs, data });
  }

  #connect(data: Data, at: string): void {
    if (this.#connected.size === 0) this.#resume(text(data, 'streamId'), at);
    this.#connected.add(encoderKey(data));
  }

  /** A pause between two connections is an interruption of one ingestion, unless the live event was stopped. */
  #resume(streamName: string, at: string): void {
    const before = this.#ingestion;
    if (before?.end == null || ENDS.includes(before.endReason)) {
      this.#latest.clear();
      this.#ingestion = { streamName, begin: at, end: null, endReason: '', ingestInterruptions: [] };
      return;
    }
    const interruption = {
      begin: before.end,
      end: at,
      duration: `PT${(Date.parse(at) - Date.parse(before.end)) / 1000}S`,
      reason: before.endReason,
    };
    const ingestInterruptions = [...before.ingestInterruptions, interruption].slice(-INTERRUPTIONS_MAX);
    this.#ingestion = { ...before, end: null, endReason: '', ingestInterruptions };
  }

  #disconnect(data: Data, at: string): void {
    this.#connected.delete(encoderKey(data));
    if (this.#connected.size > 0 || this.#ingestion === undefined) return;
    this.#ingestion = { ...this.#ingestion, end: at, endReason: text(data, 'resultCode') };
  }

  /** As the specification defines it of the last 20 s; silence makes sound smaller than was said, so pictures count. */
  #health(nowMs: number): Pick<LiveTelemetry, 'healthStatus' | 'healthDescriptions'> {
    if (this.#connected.size === 0) {
      return {
        healthStatus: this.#ingestion === undefined ? '' : 'Poor',
        healthDescriptions: ['No encoder is connected.'],
      };
    }
    const heard = [...this.#latest].filter(([, { atMs }]) => nowMs - atMs <= JUDGED_MS);
    const shares = heard
      .filter(([, { data }]) => data['trackType'] === 'video' && Number(data['bitrate']) > 0)
      .map(([, { data }]) => Number(data['incomingBitrate']) / Number(data['bitrate']));
    const share = Math.min(1, ...shares);
    const drifting = heard.filter(([, { data }]) => (Number(data['ingestDriftValue']) || 0) !== 0);
    const since = new Date(nowMs - JUDGED_MS).toISOString();
    const bad = this.#streamEvents.filter(
      ({ eventLevel, eventTime }) => eventLevel !== 'Information' && eventTime >= since,
    );
    const small = bad.every(
      ({ eventType, data }) =>
        eventType === 'StreamEvent/Discontinuity' && Number(data['discontinuityGap']) < GOOD_GAP_TICKS_MAX,
    );
    const healthDescriptions = [
      ...(share < EXCELLENT_SHARE
        ? [`The incoming bitrate is ${Math.round(share * 100)} % of what was announced.`]
        : []),
      ...drifting.map(
        ([trackId, { data }]) => `${trackId} falls behind by ${text(data, 'ingestDriftValue')} s a minute.`,
      ),
      ...bad.map(({ eventType }) => `${eventType.replace('StreamEvent/', '')} was seen.`),
    ];
    if (healthDescriptions.length === 0) {
      return { healthStatus: 'Excellent', healthDescriptions: ['No issues with ingest.'] };
    }
    return {
      healthStatus: share >= GOOD_SHARE && small ? 'Good' : 'Poor',
      healthDescriptions: [...new Set(healthDescriptions)],
    };
  }
}

/** The histories of a process, of the live events that it saw last. */
export class LiveHistories {
  readonly #byId = new Map<string, LiveHistory>();
  readonly #countMax: number;

  constructor(countMax = 200) {
    this.#countMax = countMax;
  }

  find(liveEventId: string): LiveHistory | undefined {
    return this.#byId.get(liveEventId.toLowerCase());
  }

  /** Begun where there is none; the one that was longest without news goes for it. */
  of(liveEventId: string): LiveHistory {
    const id = liveEventId.toLowerCase();
    const history = this.#byId.get(id) ?? new LiveHistory();
    this.#byId.delete(id);
    this.#byId.set(id, history);
    const [oldest] = this.#byId.keys();
    if (this.#byId.size > this.#countMax && oldest !== undefined) this.#byId.delete(oldest);
    return history;
  }
}

const encoderKey = (data: Data): string =>
  `${text(data, 'streamId')} ${text(data, 'encoderIp')} ${text(data, 'encoderPort')}`;

function keep<T>(list: T[], item: T, max: number): void {
  list.push(item);
  if (list.length > max) list.shift();
}
