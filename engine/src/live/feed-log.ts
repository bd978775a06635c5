import { randomBytes } from 'node:crypto';
import { type IndexLine, indexLineValue } from '../model/index-line.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import { LIVE_WINDOW_TICKS_MAX } from './live-window.ts';

/** 90 s of half-second fragments of as many tracks as an event has, and room to spare. */
const LINES_MAX = 8192;
/** Origins that wait at the same time; one more is answered at once. */
const WAITERS_MAX = 256;

export interface FeedLogLimits {
  readonly durationTicksMax?: number;
  readonly linesMax?: number;
  readonly waitersMax?: number;
}

/** The body of a feed answer (docs/architecture.md, "Live feed"). */
export interface FeedReply {
  readonly epoch: number;
  /** Where the answer ends: what comes after it is asked for with it. */
  readonly cursor: string;
  /** Nothing will follow. */
  readonly ended: boolean;
  readonly lines: readonly FeedLine[];
}

export interface FeedLine {
  readonly folder: string;
  readonly line: Readonly<Record<string, unknown>>;
}

interface HeldLine extends FeedLine {
  /** Undefined for a track line, which goes when a fragment after it does. */
  readonly endTicks: number | undefined;
}

/** The newest index lines of one source (the preview or one output) of a live event, and those who wait for more. */
export class FeedLog {
  readonly #epoch: number;
  readonly #limits: Required<FeedLogLimits>;
  /** Tells this log from another of the same epoch: an output that was deleted and made again under its name. */
  readonly #instance = randomBytes(6).toString('hex');
  readonly #tracks = new Map<string, Track>();
  readonly #held: HeldLine[] = [];
  /** Position of `#held[0]`; positions count from 0 and never repeat. */
  #firstPosition = 0;
  #newestEndTicks = 0;
  #fragmentLines = 0;
  #hasEnded = false;
  readonly #waiters = new Set<() => void>();

  constructor(epoch: number, limits: FeedLogLimits = {}) {
    this.#epoch = epoch;
    this.#limits = {
      durationTicksMax: limits.durationTicksMax ?? LIVE_WINDOW_TICKS_MAX,
      linesMax: limits.linesMax ?? LINES_MAX,
      waitersMax: limits.waitersMax ?? WAITERS_MAX,
    };
  }

  /** A line only when the track is new or its formats have grown. */
  appendTrack(track: Track): void {
    const known = this.#tracks.get(track.folder);
    if (this.#hasEnded || (known !== undefined && known.formats.length >= track.formats.length)) return;
    this.#tracks.set(track.folder, track);
    this.#append(track.folder, { kind: 'track', track }, undefined);
  }

  /** After the line of its track, which is added when it is missing. */
  appendFragment(track: Track, entry: FragmentEntry): void {
    if (this.#hasEnded) return;
    this.appendTrack(track);
    const isText = track.type === 'text';
    const endTicks = entry.decodeTimeTicks + (isText ? 0 : entry.durationTicks);
    if (!isText) this.#newestEndTicks = Math.max(this.#newestEndTicks, endTicks);
    this.#append(track.folder, { kind: 'fragment', entry }, endTicks);
  }

  /** Lists no more than the newest `count` fragments: the bytes of the others are gone. */
  keepFragments(count: number): void {
    let dropped = 0;
    let left = this.#fragmentLines;
    while (left > count && dropped < this.#held.length) {
      if (this.#held[dropped]?.endTicks !== undefined) left -= 1;
      dropped += 1;
    }
    this.#drop(dropped);
  }

  /** Lists no fragment any more, and lets nobody go on from what was listed. */
  forget(): void {
    this.#drop(this.#held.length);
    // Cursors at the end would go on with what they have.
    this.#firstPosition += 1;
    this.#wake();
  }

  /** Nothing is appended any more; whoever waits is told. */
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /**
   * Without `after` the tracks and the fragments still held; with it what came after, waiting up to `waitMs` for the
   * first. An abort ends the wait with an empty answer. `gone`: the cursor is of another log or no longer held.
   */
  async read(after: string | undefined, waitMs: number, signal: AbortSignal): Promise<FeedReply | 'gone'> {
    if (after === undefined) return this.#reply(this.#window());
    const position = this.#positionOf(after);
    if (position === undefined) return 'gone';
    if (position === this.#endPosition && !this.#hasEnded) await this.#wait(waitMs, signal);
    // While it waited, more may have come than is kept.
    if (position < this.#firstPosition) return 'gone';
    return this.#reply(this.#held.slice(position - this.#firstPosition));
  }

  get #endPosition(): number {
    return this.#firstPosition + this.#held.length;
  }

  #window(): HeldLine[] {
    const tracks = [...this.#tracks.values()].map((track) =>
      heldLine(track.folder, { kind: 'track', track }, undefined),
    );
    return [...tracks, ...this.#held.filter(({ endTicks }) => endTicks !== undefined)];
  }

  #reply(held: readonly HeldLine[]): FeedReply {
    return {
      epoch: this.#epoch,
      cursor: `${this.#epoch}-${this.#instance}-${this.#endPosition}`,
      ended: this.#hasEnded,
      lines: held.map(({ folder, line }) => ({ folder, line })),
    };
  }

  #positionOf(cursor: string): number | undefined {
    const prefix = `${this.#epoch}-${this.#instance}-`;
    const digits = cursor.slice(prefix.length);
    if (!cursor.startsWith(prefix) || !/^\d{1,15}$/.test(digits)) return undefined;
    const position = Number(digits);
    return position < this.#firstPosition || position > this.#endPosition ? undefined : position;
  }

  #append(folder: string, line: IndexLine, endTicks: number | undefined): void {
    this.#held.push(heldLine(folder, line, endTicks));
    if (endTicks !== undefined) this.#fragmentLines += 1;
    this.#trim();
    this.#wake();
  }

  #trim(): void {
    const oldestTicks = this.#newestEndTicks - this.#limits.durationTicksMax;
    let dropped = Math.max(0, this.#held.length - this.#limits.linesMax);
    for (let index = dropped; index < this.#held.length; index += 1) {
      const endTicks = this.#held[index]?.endTicks;
      if (endTicks === undefined) continue;
      if (endTicks >= oldestTicks) break;
      dropped = index + 1;
    }
    this.#drop(dropped);
  }

  #drop(count: number): void {
    const dropped = this.#held.splice(0, count);
    this.#firstPosition += dropped.length;
    this.#fragmentLines -= dropped.filter(({ endTicks }) => endTicks !== undefined).length;
  }

  #wait(waitMs: number, signal: AbortSignal): Promise<void> {
    if (waitMs <= 0 || signal.aborted || this.#waiters.size >= this.#limits.waitersMax)
      return Promise.resolve();
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', settle);
        this.#waiters.delete(settle);
        resolve();
      };
      const timer = setTimeout(settle, waitMs);
      signal.addEventListener('abort', settle, { once: true });
      this.#waiters.add(settle);
    });
  }

  #wake(): void {
    for (const settle of [...this.#waiters]) settle();
  }
}

function heldLine(folder: string, line: IndexLine, endTicks: number | undefined): HeldLine {
  return { folder, line: indexLineValue(line), endTicks };
}
