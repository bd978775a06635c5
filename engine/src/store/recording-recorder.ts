import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveFragment, OutputRecorder, RecordedSoFar, RecorderListener } from '../live/live-fragment.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import { RecorderFenced, type RecordingBlobs } from './recording-blobs.ts';
import { type StoredTrackIndex, TRACKS_PER_RECORDING_MAX } from './recording-index.ts';
import { TrackLog, type TrackLogDeps } from './recording-track-log.ts';
import { TrackWriter, type TrackWriterParent } from './recording-track-writer.ts';
import { RecordingUpkeep, type UpkeepDeps, type UpkeepPlace } from './recording-upkeep.ts';
import { type StorageAttempts, StorageStopped } from './storage-attempts.ts';

export interface RecorderDeps extends TrackLogDeps, UpkeepDeps {
  readonly blobs: RecordingBlobs;
  readonly attempts: StorageAttempts;
  readonly limits: TrackLogDeps['limits'] & UpkeepDeps['limits'];
  readonly writeCmafHeader: (track: Track, formatIndex: number) => Uint8Array;
}

/** One track as it was taken over. */
export interface TakenOverTrack {
  readonly stored: StoredTrackIndex;
  readonly log: TrackLog;
}

/** How long `close` waits for what is on its way. */
const CLOSE_MS_MAX = 10_000;

/** Writes one recording, from its take-over until it is finished, closed or fenced. */
export class Recorder implements OutputRecorder, TrackWriterParent {
  readonly soFar: RecordedSoFar;
  readonly #place: UpkeepPlace;
  readonly #deps: RecorderDeps;
  readonly #listener: RecorderListener;
  readonly #writers = new Map<string, TrackWriter>();
  readonly #ended = new Set<string>();
  readonly #upkeep: RecordingUpkeep;
  readonly #drainWaiters = new Set<{ readonly bytes: number; readonly resolve: () => void }>();
  #pendingBytes = 0;
  #state: 'open' | 'letting go' | 'closed' | 'failed' = 'open';
  #failure: unknown;

  constructor(
    place: UpkeepPlace,
    takenOver: readonly TakenOverTrack[],
    listener: RecorderListener,
    deps: RecorderDeps,
  ) {
    this.#place = place;
    this.#deps = deps;
    this.#listener = listener;
    this.soFar = soFarOf(takenOver.map(({ stored }) => stored));
    for (const { stored, log } of takenOver) {
      this.#writers.set(stored.track.folder, this.#newWriter(stored.track.folder, log, stored));
      if (stored.ended) this.#ended.add(stored.track.folder);
    }
    this.#upkeep = new RecordingUpkeep(place, () => [...this.#writers.values()], deps);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  addTrack(track: Track): void {
    if (this.#state !== 'open') return;
    const refusal = this.#writerOf(track)?.addTrack(track);
    if (refusal !== undefined) this.#deps.log.error('recording.trackRefused', this.#fields(track, refusal));
  }

  addFragment(fragment: LiveFragment): void {
    if (this.#state !== 'open') return;
    const { track, decodeTimeTicks, bytes } = fragment;
    const writer = this.#writerOf(track);
    if (writer === undefined) return;
    // Before it is handed on: it may be committed at once.
    this.#pendingBytes += bytes.byteLength;
    const refusal = writer.addFragment(fragment);
    if (refusal === undefined) return;
    this.#settled(bytes.byteLength);
    this.#deps.log.error('recording.fragmentRefused', { ...this.#fields(track, refusal), decodeTimeTicks });
  }

  async drained(bytes: number): Promise<void> {
    if (this.#pendingBytes <= bytes || this.#state === 'failed' || this.#state === 'closed') return;
    await new Promise<void>((resolve) => this.#drainWaiters.add({ bytes, resolve }));
  }

  async finish(): Promise<void> {
    if (this.#state !== 'open') throw this.#failure ?? new StorageStopped();
    this.#state = 'letting go';
    const writers = [...this.#writers.values()];
    await Promise.all(writers.map((writer) => writer.idle()));
    await this.#upkeep.stop();
    const { archiveWindowTicks, fragmentsPerTsSegment } = this.#place;
    const end = {
      ...({ kind: 'end', archiveWindowTicks } as const),
      ...(fragmentsPerTsSegment !== undefined && { fragmentsPerTsSegment }),
    };
    for (const writer of writers) {
      if (!this.#ended.has(writer.folder)) writer.end(end);
    }
    await Promise.all(writers.map((writer) => writer.idle()));
    this.#throwIfFailed();
    await this.#upkeep.finish();
    this.#letGo('closed');
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'letting go';
      const giveUp = new AbortController();
      const flushed = Promise.all([...this.#writers.values()].map((writer) => writer.idle()));
      const deadline = sleep(CLOSE_MS_MAX, undefined, { signal: giveUp.signal }).catch(() => undefined);
      await Promise.race([flushed, deadline]);
      giveUp.abort();
      if (this.#pendingBytes > 0) {
        this.#deps.log.warn('recording.closedPending', {
          ...this.#names(),
          pendingBytes: this.#pendingBytes,
        });
      }
    }
    if (this.#state !== 'failed') this.#letGo('closed');
    await this.#upkeep.stop();
  }

  trackCommitted(track: Track): void {
    this.#listener.trackCommitted(track);
  }

  fragmentCommitted(track: Track, entry: FragmentEntry): void {
    this.#listener.fragmentCommitted(track, entry);
    this.#settled(entry.sizeBytes);
    this.#upkeep.fragmentCommitted(entry.sequence === 0);
  }

  failed(error: unknown): void {
    if (this.#state === 'failed' || this.#state === 'closed') return;
    this.#failure = error;
    this.#letGo('failed');
    if (error instanceof RecorderFenced) this.#deps.log.warn('recording.fenced', { ...this.#names(), error });
    else this.#deps.log.error('recording.failed', { ...this.#names(), error });
    this.#listener.fenced();
  }

  #writerOf(track: Track): TrackWriter | undefined {
    const known = this.#writers.get(track.folder);
    if (known !== undefined) return known;
    if (this.#writers.size >= TRACKS_PER_RECORDING_MAX) {
      this.#deps.log.error('recording.trackRefused', this.#fields(track, 'tooManyTracks'));
      return undefined;
    }
    const place = { manifestName: this.#place.manifestName, folder: track.folder };
    const writer = this.#newWriter(track.folder, TrackLog.fresh(place, this.#deps), undefined);
    this.#writers.set(track.folder, writer);
    return writer;
  }

  #newWriter(folder: string, log: TrackLog, stored: StoredTrackIndex | undefined): TrackWriter {
    const { blobs, clock, writeCmafHeader } = this.#deps;
    return new TrackWriter(folder, log, stored, { blobs, clock, writeCmafHeader, parent: this });
  }

  #settled(bytes: number): void {
    this.#pendingBytes -= bytes;
    for (const waiter of this.#drainWaiters) {
      if (this.#pendingBytes > waiter.bytes) continue;
      this.#drainWaiters.delete(waiter);
      waiter.resolve();
    }
  }

  #letGo(state: 'closed' | 'failed'): void {
    this.#state = state;
    this.#deps.attempts.stop();
    for (const writer of this.#writers.values()) writer.fail();
    for (const { resolve } of this.#drainWaiters) resolve();
    this.#drainWaiters.clear();
    this.#upkeep.stop().catch((error: unknown) => this.#deps.log.warn('recording.upkeepFailed', { error }));
  }

  #throwIfFailed(): void {
    if (this.#state === 'failed') throw this.#failure;
    if (this.#state === 'closed') throw new StorageStopped();
  }

  #fields(track: Track, reason: string): object {
    return { ...this.#names(), folder: track.folder, reason };
  }

  #names(): object {
    return { container: this.#place.container, manifestName: this.#place.manifestName };
  }
}

function soFarOf(tracks: readonly StoredTrackIndex[]): RecordedSoFar {
  const media = tracks.filter(({ track }) => track.type !== 'text');
  const last = media.flatMap(({ fragments }) => fragments.slice(-1));
  const isEmpty = last.length === 0;
  return {
    tracks: tracks.map(({ track }) => track),
    discontinuity: isEmpty ? undefined : Math.max(...last.map(({ discontinuity }) => discontinuity)),
    endTicks: isEmpty
      ? undefined
      : Math.max(...last.map(({ decodeTimeTicks, durationTicks }) => decodeTimeTicks + durationTicks)),
  };
}
