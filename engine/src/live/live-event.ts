import type { IngestResultCode, PublishDecision, PublishRequest } from '../ingest/publish-session.ts';
import type { Track } from '../model/track.ts';
import { EventSegmenter, type SegmenterOutput } from './event-segmenter.ts';
import { FeedLog } from './feed-log.ts';
import type { LiveFeed } from './feed-server.ts';
import { FragmentNumbering } from './fragment-numbering.ts';
import { INGEST_LIMITS } from './ingest-limits.ts';
import type { LiveDeps } from './live-deps.ts';
import type { LiveEventView, LiveOutputView } from './live-directory.ts';
import { LiveEventMonitor } from './live-event-monitor.ts';
import * as liveEvents from './live-events.ts';
import type { LiveFragment, Ownership } from './live-fragment.ts';
import { LiveOutput } from './live-output.ts';
import { LiveSessions } from './live-sessions.ts';
import { LiveWindow } from './live-window.ts';

/** Encoders wait while a recorder holds more than this; storage was away or is slower than the encoder. */
export const PENDING_BYTES_MAX = 64 * 1024 * 1024;
const PENDING_BYTES_RESUME = PENDING_BYTES_MAX / 2;
/** Nobody has sent for this long: what viewers of the preview could still see is let go. */
export const WINDOW_RELEASED_MS = 180_000;
/** Encoders get this long to be gone after they were told to. */
const DROP_MS_MAX = 5000;

/** A live event that this process owns: its encoders, tracks, preview and outputs. */
export class LiveEvent implements LiveFeed {
  readonly name: string;
  readonly #id: string;
  readonly #deps: LiveDeps;
  readonly #ownership: Ownership;
  readonly #segmenter: EventSegmenter;
  readonly #window = new LiveWindow();
  readonly #preview: FeedLog;
  readonly #numbering = new FragmentNumbering();
  readonly #outputs: Map<string, LiveOutput>;
  readonly #sessions: LiveSessions;
  readonly #monitor: LiveEventMonitor;
  #newestFragmentAtMs = 0;

  private constructor(deps: LiveDeps, opened: OpenedLiveEvent) {
    this.#deps = deps;
    this.name = opened.view.name;
    this.#id = opened.view.id;
    this.#ownership = opened.ownership;
    this.#outputs = opened.outputs;
    this.#preview = new FeedLog(opened.ownership.epoch);
    this.#segmenter = new EventSegmenter({
      soFar: [...opened.outputs.values()].map(({ recorder }) => recorder.soFar),
      audioTracksMax: INGEST_LIMITS[opened.view.encodingType].audioTracks,
      clock: deps.clock,
      output: this.#segmenterOutput(),
    });
    this.#monitor = new LiveEventMonitor(this.name, deps, {
      arrivesInFragments: opened.view.streamingProtocol === 'FragmentedMP4',
    });
    this.#sessions = new LiveSessions({
      liveEventName: this.name,
      openByteStream: (streamId) => this.#segmenter.openByteStream(streamId),
      fragmentDropped: (stream, key, timestampTicks, why) => stream.fragmentDropped(key, timestampTicks, why),
      roomForMedia: () => this.#roomForMedia(),
      onLeft: () => this.watch(),
      events: this.#monitor.events,
      clock: deps.clock,
      log: deps.log,
    });
  }

  /** Takes the live event over and opens its recordings. */
  static async open(view: LiveEventView, deps: LiveDeps, onLost: (id: string) => void): Promise<LiveEvent> {
    const ownership = await deps.ownerships.acquire(view.id, deps.feedAddress());
    const lost = () => onLost(view.id);
    ownership.lost.addEventListener('abort', lost, { once: true });
    const outputs = new Map<string, LiveOutput>();
    try {
      for (const output of view.outputs.filter(isWanted)) {
        outputs.set(output.name, await openOutput(output, ownership.epoch, deps, outputs));
      }
    } catch (error) {
      for (const output of outputs.values()) await output.close();
      await ownership.release();
      throw error;
    }
    deps.log.info('live.owned', { liveEventId: view.id, epoch: ownership.epoch });
    return new LiveEvent(deps, { view, ownership, outputs });
  }

  get epoch(): number {
    return this.#ownership.epoch;
  }

  source(name: string): FeedLog | undefined {
    if (name === 'preview') return this.#preview;
    const [kind, outputName] = name.split('!');
    if (kind !== 'output' || outputName === undefined) return undefined;
    for (const [known, output] of this.#outputs) {
      if (known.toLowerCase() === outputName.toLowerCase()) return output.feed;
    }
    return undefined;
  }

  fragment(folder: string, decodeTimeTicks: number): Uint8Array | undefined {
    return this.#window.fragment(folder, decodeTimeTicks);
  }

  header(folder: string, formatIndex: number): Uint8Array | undefined {
    return this.#window.header(folder, formatIndex);
  }

  /** Lets an encoder in or says why not. */
  publish(request: PublishRequest, view: LiveEventView): Promise<PublishDecision> {
    return this.#sessions.publish(request, view);
  }

  /** Makes outputs what the rows say. Serialised by the caller. */
  async refresh(view: LiveEventView): Promise<void> {
    await this.#finishEnding(view);
    for (const output of view.outputs.filter(isWanted)) {
      if (!this.#outputs.has(output.name)) await this.#openOutput(output);
    }
    for (const [name, output] of this.#outputs) {
      if (view.outputs.some((wanted) => wanted.name === name)) continue;
      this.#outputs.delete(name);
      await output.close();
    }
  }

  /** Drops the encoders, finishes what is to be finished, closes the rest and gives the live event up. */
  async close(resultCode: IngestResultCode, view: LiveEventView | undefined): Promise<void> {
    await this.#sessions.drop(resultCode, DROP_MS_MAX);
    if (view) await this.#finishEnding(view);
    for (const output of this.#outputs.values()) await output.close();
    this.#outputs.clear();
    this.#preview.end();
    await this.#monitor.close();
    await this.#ownership.release();
    this.#deps.log.info('live.released', { liveEventId: this.#id, epoch: this.epoch });
  }

  /** Every 20 s: one heartbeat per track, and one of the archive per output. */
  heartbeat(state: string): void {
    const latencies = [...this.#outputs.values()].map(({ latencyMs }) => latencyMs);
    this.#monitor.heartbeat(
      state,
      this.#outputs.size > 0 ? Math.max(...latencies.map((ms) => ms ?? 0)) : undefined,
    );
  }

  /** Looks at the live event's health and says when it has changed. */
  watch(): void {
    this.#sessions.sweep();
    this.#releaseWindow();
    const sessions = this.#sessions.all.filter(({ isTextOnly }) => !isTextOnly);
    const newest = Math.max(...sessions.map(({ lastSampleAtMs }) => lastSampleAtMs));
    const fed = this.#segmenter.liveTracks();
    const fedFolders = new Set(fed.map(({ folder }) => folder));
    this.#monitor.watch(fedFolders, {
      recordingOutputs: this.#outputs.size,
      encodersConnected: sessions.length,
      secondsSinceLastMedia: sessions.length === 0 ? undefined : (this.#deps.clock.now() - newest) / 1000,
      hasAudio: fed.some(({ type }) => type === 'audio'),
      hasVideo: fed.some(({ type }) => type === 'video'),
      isBackupUsed: this.#sessions.isBackupUsed,
      pendingBytes: Math.max(0, ...[...this.#outputs.values()].map(({ recorder }) => recorder.pendingBytes)),
      pendingBytesMax: PENDING_BYTES_MAX,
    });
  }

  #segmenterOutput(): SegmenterOutput {
    return {
      trackKnown: (track) => this.#trackKnown(track),
      trackStarted: ({ track, streamId, timestampTicks, durationTicks }) => {
        const encoder = this.#sessions.encoderOfStream(streamId);
        if (encoder === undefined) return;
        this.#monitor.trackStarted(track);
        this.#monitor.events.add(
          liveEvents.incomingStreamReceived({
            ...encoder,
            trackType: track.type,
            trackName: track.streamName,
            bitrateBps: track.bitrateBps,
            timestampTicks,
            durationTicks,
          }),
        );
      },
      sampleTaken: (track, dtsTicks, sizeBytes) => this.#monitor.sampleTaken(track, dtsTicks, sizeBytes),
      irregular: (track, irregularity) => this.#monitor.irregular(track, irregularity),
      fragment: (fragment) => this.#addFragment(fragment),
    };
  }

  #trackKnown(track: Track): void {
    this.#window.setTrack(track);
    this.#preview.appendTrack(track);
    for (const output of this.#outputs.values()) output.addTrack(track);
  }

  #addFragment(fragment: LiveFragment): void {
    this.#window.addFragment(fragment);
    this.#preview.appendFragment(fragment.track, this.#numbering.number(fragment, this.#deps.clock.now()));
    // What the window has dropped for its size is listed no more.
    this.#preview.keepFragments(this.#window.fragmentCount);
    this.#newestFragmentAtMs = this.#deps.clock.now();
    for (const output of this.#outputs.values()) output.addFragment(fragment);
    this.#monitor.fragment(fragment);
  }

  #releaseWindow(): void {
    const silentMs = this.#deps.clock.now() - this.#newestFragmentAtMs;
    if (this.#window.fragmentCount === 0 || silentMs < WINDOW_RELEASED_MS) return;
    this.#window.clear();
    this.#preview.forget();
    this.#deps.log.info('live.windowReleased', { liveEventId: this.#id, silentMs });
  }

  #roomForMedia(): Promise<void> | undefined {
    const full = [...this.#outputs.values()].filter(
      ({ recorder }) => recorder.pendingBytes > PENDING_BYTES_MAX,
    );
    if (full.length === 0) return undefined;
    return Promise.all(full.map(({ recorder }) => recorder.drained(PENDING_BYTES_RESUME))).then(
      () => undefined,
    );
  }

  async #openOutput(view: LiveOutputView): Promise<void> {
    const output = await openOutput(view, this.epoch, this.#deps, this.#outputs);
    for (const track of this.#segmenter.liveTracks()) output.addTrack(track);
    this.#outputs.set(view.name, output);
  }

  async #finishEnding(view: LiveEventView): Promise<void> {
    for (const output of view.outputs) {
      if (!isWanted(output)) await this.#finishOutput(output, this.#outputs.get(output.name));
    }
  }

  async #finishOutput(view: LiveOutputView, open: LiveOutput | undefined): Promise<void> {
    if (open === undefined) {
      await this.#deps.recordings.finishRecording(view, this.epoch);
      return;
    }
    const snapshots = this.#segmenter.snapshots();
    this.#outputs.delete(view.name);
    await open.finish(snapshots);
  }
}

interface OpenedLiveEvent {
  readonly view: LiveEventView;
  readonly ownership: Ownership;
  readonly outputs: Map<string, LiveOutput>;
}

function isWanted(output: LiveOutputView): boolean {
  return output.resourceState !== 'Deleting';
}

/** One that can no longer write (taken over, its container gone) leaves the others alone; a refresh opens it again. */
function openOutput(
  view: LiveOutputView,
  epoch: number,
  deps: LiveDeps,
  outputs: Map<string, LiveOutput>,
): Promise<LiveOutput> {
  const onFenced = () => {
    deps.log.error('live.outputFailed', { output: view.name, container: view.container, epoch });
    const failed = outputs.get(view.name);
    outputs.delete(view.name);
    failed?.feed.end();
  };
  return LiveOutput.open({ view, epoch, recordings: deps.recordings, clock: deps.clock, onFenced });
}
