import type {
  IngestResultCode,
  ProbeDecision,
  ProbedDoor,
  PublishDecision,
  PublishRequest,
} from '../ingest/publish-session.ts';
import type { LiveTelemetry } from '../resources/live-telemetry.ts';
import { finishEndingRecordings } from './ending-recordings.ts';
import type { LiveFeed } from './feed-server.ts';
import { decideAtDoor, denied, type Refusal } from './ingest-door.ts';
import type { LiveDeps, LiveNewEvent } from './live-deps.ts';
import type { LiveEventView } from './live-directory.ts';
import { LiveEvent } from './live-event.ts';
import * as liveEvents from './live-events.ts';
import { LiveHistories } from './live-history.ts';

const HEARTBEAT_MS = 20_000;
const WATCH_MS = 2000;

/**
 * The live events that this process owns. Opening, refreshing and closing one never overlap; what is wanted is always
 * read from the control plane's rows, never from the caller.
 */
export class LiveRuntime implements ProbedDoor {
  readonly #deps: LiveDeps;
  readonly #owned = new Map<string, LiveEvent>();
  readonly #histories = new LiveHistories();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #timers: readonly NodeJS.Timeout[];
  #isClosed = false;

  constructor(deps: LiveDeps) {
    this.#deps = deps;
    this.#timers = [
      setInterval(() => this.#each((liveEvent) => liveEvent.heartbeat('Running')), HEARTBEAT_MS),
      setInterval(() => this.#each((liveEvent) => liveEvent.watch()), WATCH_MS),
    ];
  }

  async open(request: PublishRequest): Promise<PublishDecision> {
    const view = await this.#deps.directory.findLiveEventByAccessToken(request.accessToken);
    if (view === undefined || this.#isClosed) return this.#refuseUnknown(request);
    const decision = await this.#inTurn(view.id, () => this.#admit(request, view.id));
    if (decision.kind === 'refused') await this.#recordRefusal(view, request, decision.resultCode);
    return decision;
  }

  /** What `open` would decide, as far as it can be said without taking the live event over. */
  async probe(request: PublishRequest): Promise<ProbeDecision> {
    const view = await this.#deps.directory.findLiveEventByAccessToken(request.accessToken);
    if (view === undefined || this.#isClosed) return this.#refuseUnknown(request);
    const refusal = decideAtDoor(request, view, this.#deps.clock.now());
    if (refusal === undefined) return { kind: 'accepted' };
    await this.#recordRefusal(view, request, refusal.resultCode);
    return refusal;
  }

  /** A refusal that belongs to no live event is told but not stored: anybody can cause it, as often as he likes. */
  async reportRefusal(request: Partial<PublishRequest>, resultCode: IngestResultCode): Promise<void> {
    const view =
      request.accessToken === undefined
        ? undefined
        : await this.#deps.directory.findLiveEventByAccessToken(request.accessToken);
    if (view !== undefined) {
      await this.#recordRefusal(view, request, resultCode);
      return;
    }
    this.#deps.log.info('live.refused', { resultCode, encoderIp: request.encoderIp });
    this.#deps.events.emitTransient(
      liveEvents.connectionRejected({ ...this.#encoderOf('', request), resultCode }),
    );
  }

  /** Re-reads the live event's rows and resolves when what is actual matches them. */
  refresh(liveEventId: string): Promise<void> {
    return this.#inTurn(liveEventId, async () => {
      const view = await this.#deps.directory.findLiveEvent(liveEventId);
      const owned = this.#owned.get(keyOf(liveEventId));
      if (owned === undefined) {
        if (view !== undefined) await finishEndingRecordings(view, this.#deps);
        return;
      }
      if (view?.resourceState === 'Running') {
        await owned.refresh(view);
        return;
      }
      this.#owned.delete(keyOf(liveEventId));
      const isReset = view?.isResetting === true;
      await owned.close(isReset ? 'MPI_REST_API_CHANNEL_RESET' : 'MPI_REST_API_CHANNEL_STOP', view);
    });
  }

  /** For the feed server. */
  find(liveEventId: string): LiveFeed | undefined {
    return this.#owned.get(keyOf(liveEventId));
  }

  /** What this process remembers of the live event's encoders, whether it still owns it or not. */
  async telemetry(liveEventId: string): Promise<LiveTelemetry | undefined> {
    return this.#histories.find(liveEventId)?.telemetry(this.#deps.clock.now());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
    const ids = [...this.#owned.keys()];
    await Promise.all(ids.map((id) => this.#inTurn(id, () => this.#giveUp(id))));
  }

  async #refuseUnknown(request: PublishRequest): Promise<Refusal> {
    await this.reportRefusal(request, 'MPE_RTMP_APPID_AUTH_FAILURE');
    return {
      kind: 'refused',
      resultCode: 'MPE_RTMP_APPID_AUTH_FAILURE',
      message: 'the stream key is not known: copy it again from the channel',
    };
  }

  async #admit(request: PublishRequest, liveEventId: string): Promise<PublishDecision> {
    const view = await this.#deps.directory.findLiveEvent(liveEventId);
    if (view === undefined) return denied('the live event is gone');
    // Before anything is taken over for an encoder that is not let in.
    const refusal = decideAtDoor(request, view, this.#deps.clock.now());
    if (refusal !== undefined) return refusal;
    const owned = this.#owned.get(keyOf(liveEventId));
    return owned === undefined ? this.#admitFirst(request, view) : owned.publish(request, view);
  }

  /** A control plane elsewhere changes the rows and then looks for an owner: who has just become it reads them again. */
  async #admitFirst(request: PublishRequest, view: LiveEventView): Promise<PublishDecision> {
    const owned = await this.#own(view);
    const now = await this.#deps.directory.findLiveEvent(view.id);
    const refusal = now && decideAtDoor(request, now, this.#deps.clock.now());
    if (now !== undefined && refusal === undefined) {
      await owned.refresh(now);
      return owned.publish(request, now);
    }
    this.#owned.delete(keyOf(view.id));
    await owned.close('MPI_REST_API_CHANNEL_STOP', now);
    return refusal ?? denied('the live event is gone');
  }

  async #own(view: LiveEventView): Promise<LiveEvent> {
    const { events } = this.#deps;
    const deps: LiveDeps = {
      ...this.#deps,
      events: {
        record: (recorded) => {
          for (const newEvent of recorded) this.#observe(newEvent, view.id);
          return events.record(recorded, view.id);
        },
        emitTransient: (newEvent) => {
          this.#observe(newEvent, view.id);
          events.emitTransient(newEvent, view.id);
        },
      },
    };
    const liveEvent = await LiveEvent.open(view, deps, (id) => this.#lost(id));
    this.#owned.set(keyOf(view.id), liveEvent);
    return liveEvent;
  }

  #lost(liveEventId: string): void {
    this.#deps.log.warn('live.ownershipLost', { liveEventId });
    this.#inTurn(liveEventId, () => this.#giveUp(liveEventId)).catch((error: unknown) => {
      this.#deps.log.error('live.giveUpFailed', { liveEventId, error });
    });
  }

  async #giveUp(liveEventId: string): Promise<void> {
    const owned = this.#owned.get(keyOf(liveEventId));
    this.#owned.delete(keyOf(liveEventId));
    await owned?.close('MPI_SYSTEM_MAINTENANCE', undefined);
  }

  async #recordRefusal(
    { id, name: liveEventName }: LiveEventView,
    request: Partial<PublishRequest>,
    resultCode: IngestResultCode,
  ): Promise<void> {
    this.#deps.log.info('live.refused', { liveEventId: id, resultCode });
    const rejected = liveEvents.connectionRejected({
      ...this.#encoderOf(liveEventName, request),
      resultCode,
    });
    this.#observe(rejected, id);
    await this.#deps.events.record([rejected], id);
  }

  #observe(newEvent: LiveNewEvent, liveEventId: string): void {
    this.#histories.of(liveEventId).observe(newEvent, this.#deps.clock.now());
  }

  #encoderOf(liveEventName: string, request: Partial<PublishRequest>): liveEvents.EncoderFacts {
    return {
      liveEventName,
      ingestUrl: request.ingestUrl ?? '',
      streamId: request.streamId ?? '',
      encoderIp: request.encoderIp ?? '',
      encoderPort: request.encoderPort ?? 0,
    };
  }

  #each(look: (liveEvent: LiveEvent) => void): void {
    for (const liveEvent of this.#owned.values()) look(liveEvent);
  }

  /** Runs after everything asked of this live event before, whether that succeeded or not. */
  #inTurn<T>(liveEventId: string, work: () => Promise<T>): Promise<T> {
    const key = keyOf(liveEventId);
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#turns.set(key, turn);
    const forget = () => {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    };
    turn.then(forget, forget);
    return turn;
  }
}

/** Compared without letter case, as names are everywhere in the API. */
function keyOf(liveEventId: string): string {
  return liveEventId.toLowerCase();
}
