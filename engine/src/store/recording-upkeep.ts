import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import type { NamedBytes, RecordingBlobs } from './recording-blobs.ts';
import type { TrackWriter } from './recording-track-writer.ts';
import { StorageStopped, type StoreLog } from './storage-attempts.ts';

export interface UpkeepLimits {
  readonly upkeepMs: number;
  readonly manifestMs: number;
  /** What left the archive window this long ago is deleted: players still hold its manifest. */
  readonly graceTicks: number;
}

export interface UpkeepDeps {
  readonly blobs: RecordingBlobs;
  readonly clock: { now(): number };
  readonly log: StoreLog;
  readonly limits: UpkeepLimits;
  /** The rule of readers: entries that are left out are gone. */
  readonly cutToWindow: (
    entries: readonly FragmentEntry[],
    windowTicks: number | undefined,
  ) => readonly FragmentEntry[];
  readonly writeIsm: (index: PresentationIndex, manifestName: string) => string;
  readonly writeIsmc: (index: PresentationIndex) => string;
}

export interface UpkeepPlace {
  readonly container: string;
  readonly manifestName: string;
  readonly archiveWindowTicks: number;
  readonly fragmentsPerTsSegment?: number | undefined;
}

const ROLLS_KEPT_MIN = 2;
const DELETES_PER_RUN_MAX = 2000;
const DELETES_IN_FLIGHT_MAX = 8;
const SWEEP_MS_MAX = 30_000;
const ORPHANS_SWEPT_MAX = 10_000;

/** What a recording needs besides its fragments: manifests at intervals, the archive window, a clean end. */
export class RecordingUpkeep {
  readonly #place: UpkeepPlace;
  readonly #writers: () => readonly TrackWriter[];
  readonly #deps: UpkeepDeps;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #isChanged = false;
  #isUrgent = false;
  #manifestAtMs = Number.NEGATIVE_INFINITY;
  #etags: { ism: string | undefined; ismc: string | undefined } = { ism: undefined, ismc: undefined };

  constructor(place: UpkeepPlace, writers: () => readonly TrackWriter[], deps: UpkeepDeps) {
    this.#place = place;
    this.#writers = writers;
    this.#deps = deps;
    this.#timer = setInterval(() => this.#start(), deps.limits.upkeepMs).unref();
  }

  /** A fragment was committed; of a track's first one the manifests tell at once. */
  fragmentCommitted(isFirstOfTrack: boolean): void {
    this.#isChanged = true;
    if (!isFirstOfTrack) return;
    this.#isUrgent = true;
    this.#start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  /** After `stop`: the manifests of the finished recording, and no blob that no line speaks of. */
  async finish(): Promise<void> {
    const index = this.#index('ended');
    if (index.tracks.length === 0) return;
    await this.#deps.blobs.overwrite(this.#ism(index));
    await this.#deps.blobs.overwrite(this.#ismc(index));
    try {
      await this.#trim();
      await this.#sweepOrphans();
    } catch (error) {
      this.#deps.log.warn('recording.sweepFailed', { ...this.#names(), error });
    }
  }

  #start(): void {
    if (this.#isStopped || this.#running !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isUrgent) this.#start();
    });
  }

  async #run(): Promise<void> {
    try {
      await this.#writeManifests();
      await this.#trim();
    } catch (error) {
      this.#isUrgent = false;
      if (error instanceof StorageStopped) return;
      this.#deps.log.warn('recording.upkeepFailed', { ...this.#names(), error });
    }
  }

  async #writeManifests(): Promise<void> {
    const nowMs = this.#deps.clock.now();
    const isDue = this.#isUrgent || nowMs - this.#manifestAtMs >= this.#deps.limits.manifestMs;
    if (!this.#isChanged || !isDue) return;
    this.#isChanged = false;
    this.#isUrgent = false;
    this.#manifestAtMs = nowMs;
    const index = this.#index('live');
    const { ism, ismc } = this.#etags;
    this.#etags = { ism: undefined, ismc: undefined };
    try {
      this.#etags = {
        ism: await this.#overwrite(this.#ism(index), ism),
        ismc: await this.#overwrite(this.#ismc(index), ismc),
      };
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }

  /**
   * With the ETag of our last one. If it moved, somebody else writes them now; only a commit of ours, which proves that
   * we are still the writer, makes us write again.
   */
  async #overwrite(blob: NamedBytes, etag: string | undefined): Promise<string | undefined> {
    const written = await this.#deps.blobs.overwriteOnce(blob, etag);
    return written === 'moved' ? undefined : written;
  }

  /** Deletes what the archive window has left behind: fragments first, then the index rolls that speak of them. */
  async #trim(): Promise<void> {
    const windowTicks = this.#place.archiveWindowTicks + this.#deps.limits.graceTicks;
    for (const writer of this.#writers()) {
      const kept = this.#deps.cutToWindow(writer.entries, windowTicks);
      const gone = writer.entries.slice(0, writer.entries.length - kept.length).slice(0, DELETES_PER_RUN_MAX);
      const names = gone.map(({ decodeTimeTicks }) => `${writer.folder}/${decodeTimeTicks}`);
      await this.#removeAll(names);
      writer.forget(gone.length);
      await removeOldRolls(writer);
    }
  }

  async #sweepOrphans(): Promise<void> {
    const { manifestName } = this.#place;
    const folders = await this.#deps.blobs.listFoldersOnce(SWEEP_MS_MAX);
    const others = folders.filter((name) => name.endsWith('.headend') && name !== `${manifestName}.headend`);
    // Another recording's blobs may lie in the same folders.
    if (others.length > 0) return;
    for (const writer of this.#writers()) {
      const known = new Set(
        writer.entries.map(({ decodeTimeTicks }) => `${writer.folder}/${decodeTimeTicks}`),
      );
      const stored = await this.#deps.blobs.listOnce(`${writer.folder}/`, SWEEP_MS_MAX);
      const orphans = stored.filter((name) => /\/\d+$/.test(name) && !known.has(name));
      await this.#removeAll(orphans.slice(0, ORPHANS_SWEPT_MAX));
      if (orphans.length > 0) {
        this.#deps.log.info('recording.orphansSwept', { ...this.#names(), count: orphans.length });
      }
    }
  }

  async #removeAll(names: readonly string[]): Promise<void> {
    for (let at = 0; at < names.length; at += DELETES_IN_FLIGHT_MAX) {
      const group = names.slice(at, at + DELETES_IN_FLIGHT_MAX);
      await Promise.all(group.map((name) => this.#deps.blobs.removeOnce(name)));
    }
  }

  #index(state: PresentationIndex['state']): PresentationIndex {
    const tracks = this.#writers().flatMap((writer): TrackIndex[] => {
      const { track, entries } = writer;
      if (track === undefined || entries.length === 0) return [];
      return [{ track, fragments: this.#deps.cutToWindow(entries, this.#place.archiveWindowTicks) }];
    });
    return { state, tracks, rewindTicks: undefined };
  }

  #ism(index: PresentationIndex): NamedBytes {
    const { manifestName } = this.#place;
    return manifest(`${manifestName}.ism`, this.#deps.writeIsm(index, manifestName));
  }

  #ismc(index: PresentationIndex): NamedBytes {
    return manifest(`${this.#place.manifestName}.ismc`, this.#deps.writeIsmc(index));
  }

  #names(): object {
    return { container: this.#place.container, manifestName: this.#place.manifestName };
  }
}

function manifest(name: string, text: string): NamedBytes {
  return { name, bytes: new TextEncoder().encode(text), contentType: 'text/xml' };
}

/** Oldest first, so that what is left has no hole. The roll of the last entry always stays. */
async function removeOldRolls({ log, entries }: TrackWriter): Promise<void> {
  const [first] = entries;
  if (first === undefined) return;
  for (const { endTicks } of log.rolls.slice(0, -ROLLS_KEPT_MIN)) {
    if (endTicks !== undefined && endTicks > first.decodeTimeTicks) return;
    await log.removeOldest();
  }
}
