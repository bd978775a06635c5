import { type IndexLine, writeIndexLine } from '../model/index-line.ts';
import type { Track } from '../model/track.ts';
import { RecorderFenced, type RecordingBlobs } from './recording-blobs.ts';
import { indexBlobName, type StoredRoll, type StoredTrackIndex } from './recording-index.ts';

export interface RollLimits {
  /** From the first line of a roll on. */
  readonly rollAgeMs: number;
  /** Well below the 50,000 blocks of an append blob. */
  readonly rollBlocks: number;
}

export interface TrackLogDeps {
  readonly blobs: RecordingBlobs;
  readonly clock: { now(): number };
  readonly epoch: number;
  readonly limits: RollLimits;
}

interface Tail {
  readonly blobName: string;
  sizeBytes: number;
  blockCount: number;
  isClosed: boolean;
  readonly startedAtMs: number;
}

/**
 * The index of one track as an append-only log with one writer. Every append names the position it believes in, so a
 * writer that was taken over cannot add a line (decision 1). Appends must not overlap.
 */
export class TrackLog {
  readonly #place: { readonly manifestName: string; readonly folder: string };
  readonly #deps: TrackLogDeps;
  readonly #rolls: StoredRoll[];
  #tail: Tail | undefined;

  private constructor(
    place: { readonly manifestName: string; readonly folder: string },
    deps: TrackLogDeps,
    rolls: readonly StoredRoll[],
  ) {
    this.#place = place;
    this.#deps = deps;
    this.#rolls = [...rolls];
  }

  /** The log of a track that has no index yet. */
  static fresh(
    place: { readonly manifestName: string; readonly folder: string },
    deps: TrackLogDeps,
  ): TrackLog {
    return new TrackLog(place, deps, []);
  }

  /** Fences the writer before us with an `epoch` line where we believe the end is; throws `RecorderFenced` if it is not. A track that has ended is left as it is. */
  static async takeOver(
    manifestName: string,
    stored: StoredTrackIndex,
    deps: TrackLogDeps,
  ): Promise<TrackLog> {
    const place = { manifestName, folder: stored.track.folder };
    const log = new TrackLog(place, deps, stored.rolls);
    const { roll, sizeBytes, blockCount, isClosed } = stored.tail;
    const startedAtMs = stored.rolls.at(-1)?.startedAtMs ?? deps.clock.now();
    log.#tail = { blobName: indexBlobName({ ...place, roll }), sizeBytes, blockCount, isClosed, startedAtMs };
    if (stored.ended) return log;
    if (isClosed) await log.#startRoll(stored.track, []);
    else if (sizeBytes === 0) await log.#write(log.#tail, [trackLine(stored.track), log.#epochLine()]);
    else await log.#write(log.#tail, [log.#epochLine()]);
    return log;
  }

  /** Every roll still stored, ascending, with the end of its last fragment. */
  get rolls(): readonly StoredRoll[] {
    return this.#rolls;
  }

  /** `track` is what the index has so far; the first line of a fresh log must be its track. */
  async append(track: Track | undefined, lines: readonly IndexLine[]): Promise<void> {
    const tail = this.#tail;
    if (tail === undefined || tail.isClosed) return this.#startRoll(track, lines);
    if (this.#isFull(tail)) {
      await this.#write(tail, [{ kind: 'roll' }]);
      tail.isClosed = true;
      return this.#startRoll(track, lines);
    }
    return this.#write(tail, lines);
  }

  /** Throws `RecorderFenced` when somebody else has written since our last append. */
  async verifyTail(): Promise<void> {
    const blobName = this.#tail?.blobName ?? indexBlobName({ ...this.#place, roll: 0 });
    const sizeBytes = (await this.#deps.blobs.sizeOf(blobName)) ?? 0;
    const expected = this.#tail?.sizeBytes ?? 0;
    if (sizeBytes !== expected) throw new RecorderFenced(blobName, `size ${sizeBytes}, not ${expected}`);
  }

  /** Deletes the oldest roll. */
  async removeOldest(): Promise<void> {
    const [oldest] = this.#rolls;
    if (oldest === undefined) return;
    await this.#deps.blobs.removeOnce(indexBlobName({ ...this.#place, roll: oldest.roll }));
    this.#rolls.shift();
  }

  async #startRoll(track: Track | undefined, lines: readonly IndexLine[]): Promise<void> {
    const first = lines[0]?.kind === 'track' ? lines[0] : track && trackLine(track);
    if (first === undefined) throw new RangeError('the first line of an index is its track');
    const rest = lines[0]?.kind === 'track' ? lines.slice(1) : lines;
    const roll = (this.#rolls.at(-1)?.roll ?? -1) + 1;
    const blobName = indexBlobName({ ...this.#place, roll });
    const startedAtMs = this.#deps.clock.now();
    const tail: Tail = { blobName, sizeBytes: 0, blockCount: 0, isClosed: false, startedAtMs };
    await this.#deps.blobs.createIndex(blobName);
    this.#rolls.push({ roll, startedAtMs, endTicks: undefined });
    // The epoch again in every roll: older ones are deleted by the archive window.
    await this.#write(tail, [first, this.#epochLine(), ...rest]);
    this.#tail = tail;
  }

  async #write(tail: Tail, lines: readonly IndexLine[]): Promise<void> {
    const bytes = new TextEncoder().encode(lines.map(writeIndexLine).join(''));
    const outcome = await this.#deps.blobs.append(tail.blobName, bytes, tail.sizeBytes);
    if (outcome === 'moved') throw new RecorderFenced(tail.blobName, `moved on from ${tail.sizeBytes}`);
    tail.sizeBytes += bytes.byteLength;
    tail.blockCount += 1;
    const last = lines.findLast((line) => line.kind === 'fragment');
    if (last === undefined) return;
    const roll = this.#rolls.pop();
    const endTicks = last.entry.decodeTimeTicks + last.entry.durationTicks;
    if (roll !== undefined) this.#rolls.push({ ...roll, endTicks });
  }

  #isFull(tail: Tail): boolean {
    const { rollAgeMs, rollBlocks } = this.#deps.limits;
    return tail.blockCount >= rollBlocks || this.#deps.clock.now() - tail.startedAtMs >= rollAgeMs;
  }

  #epochLine(): IndexLine {
    return { kind: 'epoch', epoch: this.#deps.epoch, atMs: this.#deps.clock.now() };
  }
}

function trackLine(track: Track): IndexLine {
  return { kind: 'track', track };
}
