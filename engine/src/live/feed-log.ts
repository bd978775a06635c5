import { type IndexLine, indexLineValue } from '../model/index-line.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';

/** What a poll answers; `lines` are the index lines of docs/architecture.md. */
export interface FeedReply {
  readonly epoch: number;
  /** Opaque to the reader: give it back as `after`. */
  readonly cursor: string;
  readonly ended: boolean;
  readonly lines: readonly { readonly folder: string; readonly line: unknown }[];
}

export interface FeedLogLimits {
  readonly durationTicksMax: number;
  readonly linesMax: number;
  readonly waitersMax: number;
}

const LIMITS: FeedLogLimits = { durationTicksMax: 90 * TICKS_PER_SECOND, linesMax: 20_000, waitersMax: 256 };

interface LoggedLine {
  readonly position: number;
  readonly folder: string;
  readonly line: IndexLine;
}

/** The newest index lines of one source of the live feed, and those who wait for the next. */
export class FeedLog {
  readonly #epoch: number;
  readonly #limits: FeedLogLimits;
  readonly #tracks = new Map<string, Track>();
  readonly #lines: LoggedLine[] = [];
  readonly #waiters = new Set<() => void>();
  #position = 0;
  #ended = false;

  constructor(epoch: number, limits: FeedLogLimits = LIMITS) {
    this.#epoch = epoch;
    this.#limits = limits;
  }

  /** Again when its formats have grown; a repetition of what is known adds nothing. */
  appendTrack(track: Track): void {
    if (this.#tracks.get(track.folder)?.formats.length === track.formats.length) return;
    this.#tracks.set(track.folder, track);
    this.#append(track.folder, { kind: 'track', track });
  }

  appendFragment(track: Track, entry: FragmentEntry): void {
    this.appendTrack(track);
    this.#append(track.folder, { kind: 'fragment', entry });
    this.#trim(entry.decodeTimeTicks);
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Lines after the cursor, waiting for the first; without a cursor everything held. `gone`: begin again without it. */
  async read(after: string | undefined, waitMs: number, signal: AbortSignal): Promise<FeedReply | 'gone'> {
    if (after === undefined) return this.#reply(this.#everything());
    const position = this.#positionOf(after);
    if (position === undefined) return 'gone';
    if (position === this.#position && !this.#ended) await this.#more(waitMs, signal);
    const lines = this.#lines.filter((line) => line.position > position);
    const first = lines[0]?.position;
    return first !== undefined && first !== position + 1 ? 'gone' : this.#reply(lines);
  }

  #everything(): LoggedLine[] {
    const tracks = [...this.#tracks.values()].map((track) => ({
      position: 0,
      folder: track.folder,
      line: { kind: 'track', track } as const,
    }));
    return [...tracks, ...this.#lines.filter(({ line }) => line.kind === 'fragment')];
  }

  #append(folder: string, line: IndexLine): void {
    this.#position += 1;
    this.#lines.push({ position: this.#position, folder, line });
    this.#wake();
  }

  #trim(newestTicks: number): void {
    const isOld = ({ line }: LoggedLine) =>
      line.kind === 'fragment'
        ? newestTicks - line.entry.decodeTimeTicks > this.#limits.durationTicksMax
        : true;
    let drop = Math.max(0, this.#lines.length - this.#limits.linesMax);
    // A track line goes once the fragments around it go: the track itself is kept apart.
    const firstKept = this.#lines.findIndex((line) => line.line.kind === 'fragment' && !isOld(line));
    if (firstKept > 0 && this.#lines.slice(0, firstKept).some(({ line }) => line.kind === 'fragment')) {
      drop = Math.max(drop, firstKept);
    }
    if (drop > 0) this.#lines.splice(0, drop);
  }

  #positionOf(cursor: string): number | undefined {
    const [epoch, position] = cursor.split('-').map(Number);
    if (epoch !== this.#epoch || position === undefined || !Number.isSafeInteger(position)) return undefined;
    if (position < 0 || position > this.#position) return undefined;
    const oldest = this.#lines[0]?.position ?? this.#position + 1;
    return position + 1 < oldest ? undefined : position;
  }

  #reply(lines: readonly LoggedLine[]): FeedReply {
    return {
      epoch: this.#epoch,
      cursor: `${this.#epoch}-${this.#position}`,
      ended: this.#ended,
      lines: lines.map(({ folder, line }) => ({ folder, line: indexLineValue(line) })),
    };
  }

  #more(waitMs: number, signal: AbortSignal): Promise<void> {
    if (waitMs <= 0 || signal.aborted || this.#waiters.size >= this.#limits.waitersMax)
      return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      signal.addEventListener('abort', done, { once: true });
      this.#waiters.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiters]) done();
  }
}
