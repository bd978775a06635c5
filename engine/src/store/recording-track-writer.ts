import type { LiveFragment } from '../live/live-fragment.ts';
import {
  INDEX_LINE_LENGTH_MAX,
  type IndexLine,
  TRACK_FORMATS_MAX,
  writeIndexLine,
} from '../model/index-line.ts';
import { type FragmentEntry, followsFromTicks } from '../model/presentation.ts';
import type { Track, TrackFormat } from '../model/track.ts';
import type { NamedBytes, RecordingBlobs } from './recording-blobs.ts';
import type { TrackLog } from './recording-track-log.ts';

/** Fragments of one track on their way to storage at a time. */
const PUTS_IN_FLIGHT_MAX = 4;
const LINES_PER_APPEND_MAX = 64;

export interface TrackWriterParent {
  trackCommitted(track: Track): void;
  fragmentCommitted(track: Track, entry: FragmentEntry): void;
  /** Nothing more is written. */
  failed(error: unknown): void;
}

export interface TrackWriterDeps {
  readonly blobs: RecordingBlobs;
  readonly clock: { now(): number };
  readonly writeCmafHeader: (track: Track, formatIndex: number) => Uint8Array;
  readonly parent: TrackWriterParent;
}

/** What cannot be recorded without making the index unreadable. */
export type Refusal = 'overlaps' | 'tooManyFormats' | 'otherTrackId';

interface Item {
  readonly line: IndexLine;
  /** The index has the line already; only its turn is waited for. */
  readonly isWritten: boolean;
  readonly blobs: readonly NamedBytes[];
  state: 'waiting' | 'putting' | 'stored';
  /** Blobs whose names a writer before us has used for something that it never committed. */
  taken: NamedBytes[];
}

/** Records one track: blobs several at a time and in any order, their index lines in order and only after them. */
export class TrackWriter {
  readonly folder: string;
  readonly #log: TrackLog;
  readonly #deps: TrackWriterDeps;
  readonly #entries: FragmentEntry[];
  readonly #queue: Item[] = [];
  readonly #idleWaiters: (() => void)[] = [];
  /** As the index has it, and as it will have it once the queue is through. */
  #committed: Track | undefined;
  #announced: Track | undefined;
  #last: FragmentEntry | undefined;
  #putsInFlight = 0;
  #isCommitting = false;
  #hasFailed = false;

  constructor(
    folder: string,
    log: TrackLog,
    stored: { readonly track: Track; readonly fragments: readonly FragmentEntry[] } | undefined,
    deps: TrackWriterDeps,
  ) {
    this.folder = folder;
    this.#log = log;
    this.#deps = deps;
    this.#committed = stored?.track;
    this.#announced = stored?.track;
    this.#entries = [...(stored?.fragments ?? [])];
    this.#last = this.#entries.at(-1);
  }

  get log(): TrackLog {
    return this.#log;
  }

  /** Undefined until its first line is committed. */
  get track(): Track | undefined {
    return this.#committed;
  }

  /** Committed and not forgotten, ascending. */
  get entries(): readonly FragmentEntry[] {
    return this.#entries;
  }

  /** Drops the oldest `count` entries. */
  forget(count: number): void {
    this.#entries.splice(0, count);
  }

  /** A recording numbers its formats for itself: those that it has keep their index, others are added. */
  addTrack(track: Track): Refusal | undefined {
    const known = this.#announced;
    if (known !== undefined && known.ordinal !== track.ordinal) return 'otherTrackId';
    const added = track.formats.filter((format) => indexOfFormat(known, format) === -1);
    const formats = [...(known?.formats ?? []), ...added];
    const recorded: Track = { ...(known ?? track), formats };
    const line: IndexLine = { kind: 'track', track: recorded };
    const isTooLong = writeIndexLine(line).length > INDEX_LINE_LENGTH_MAX;
    if (formats.length > TRACK_FORMATS_MAX || isTooLong) return 'tooManyFormats';
    this.#announced = recorded;
    const contentType = contentTypeOf(track);
    const described = track.type === 'text' ? [] : added; // text has no header
    const blobs = described.map((_, at) => {
      const formatIndex = formats.length - added.length + at;
      const name = `${this.folder}/${formatIndex === 0 ? 'header' : `header-${formatIndex}`}`;
      return { name, bytes: this.#deps.writeCmafHeader(recorded, formatIndex), contentType };
    });
    this.#enqueue({ line, isWritten: added.length === 0, blobs });
    return undefined;
  }

  addFragment(fragment: LiveFragment): Refusal | undefined {
    const format = fragment.track.formats[fragment.formatIndex];
    if (format === undefined) throw new RangeError(`no format ${fragment.formatIndex}`);
    if (indexOfFormat(this.#announced, format) === -1) {
      const refusal = this.addTrack(fragment.track);
      if (refusal !== undefined) return refusal;
    }
    const last = this.#last;
    const { decodeTimeTicks, bytes } = fragment;
    if (last !== undefined && decodeTimeTicks < followsFromTicks(fragment.track, last)) return 'overlaps';
    const entry: FragmentEntry = {
      sequence: last === undefined ? 0 : last.sequence + 1,
      decodeTimeTicks,
      durationTicks: fragment.durationTicks,
      sizeBytes: bytes.byteLength,
      sampleCount: fragment.sampleCount,
      firstSample: last === undefined ? 0 : last.firstSample + last.sampleCount,
      discontinuity: fragment.discontinuity,
      formatIndex: indexOfFormat(this.#announced, format),
      committedAtMs: 0, // known when its line is appended
    };
    this.#last = entry;
    const name = `${this.folder}/${decodeTimeTicks}`;
    const blob = { name, bytes, contentType: contentTypeOf(fragment.track) };
    this.#enqueue({ line: { kind: 'fragment', entry }, isWritten: false, blobs: [blob] });
    return undefined;
  }

  /** The recording is finished: after what was handed over. */
  end(line: Extract<IndexLine, { kind: 'end' }>): void {
    this.#enqueue({ line, isWritten: false, blobs: [] });
  }

  /** Everything handed over is committed, or the writer has failed. */
  async idle(): Promise<void> {
    if (this.#queue.length === 0 || this.#hasFailed) return;
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Stops; whoever waits for it is let go. */
  fail(): void {
    this.#hasFailed = true;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #enqueue(item: Pick<Item, 'line' | 'isWritten' | 'blobs'>): void {
    this.#queue.push({ ...item, state: item.blobs.length === 0 ? 'stored' : 'waiting', taken: [] });
    this.#startPuts();
    this.#startCommit();
  }

  #startPuts(): void {
    for (const item of this.#queue) {
      if (this.#putsInFlight >= PUTS_IN_FLIGHT_MAX || this.#hasFailed) return;
      if (item.state !== 'waiting') continue;
      this.#putsInFlight += 1;
      item.state = 'putting';
      this.#putAll(item).catch((error: unknown) => this.#deps.parent.failed(error));
    }
  }

  async #putAll(item: Item): Promise<void> {
    try {
      for (const blob of item.blobs) {
        if ((await this.#deps.blobs.putNew(blob)) === 'taken') item.taken.push(blob);
      }
    } finally {
      this.#putsInFlight -= 1;
    }
    item.state = 'stored';
    this.#startPuts();
    this.#startCommit();
  }

  #startCommit(): void {
    if (this.#isCommitting || this.#hasFailed) return;
    this.#commitReady().catch((error: unknown) => this.#deps.parent.failed(error));
  }

  async #commitReady(): Promise<void> {
    this.#isCommitting = true;
    try {
      for (let batch = this.#readyBatch(); batch.length > 0; batch = this.#readyBatch()) {
        await this.#commit(batch);
      }
    } finally {
      this.#isCommitting = false;
    }
  }

  #readyBatch(): Item[] {
    if (this.#hasFailed) return [];
    const firstWaiting = this.#queue.findIndex((item) => item.state !== 'stored');
    const ready = firstWaiting === -1 ? this.#queue.length : firstWaiting;
    return this.#queue.slice(0, Math.min(ready, LINES_PER_APPEND_MAX));
  }

  async #commit(batch: readonly Item[]): Promise<void> {
    for (const { taken } of batch) {
      if (taken.length === 0) continue;
      // A writer that was taken over must not change what its successor has stored under the same name.
      await this.#log.verifyTail();
      for (const blob of taken) await this.#deps.blobs.replace(blob);
    }
    const atMs = this.#deps.clock.now();
    const lines = batch.map(({ line }) => stamped(line, atMs));
    const unwritten = lines.filter((_, at) => batch[at]?.isWritten === false);
    if (unwritten.length > 0) await this.#log.append(this.#committed, unwritten);
    this.#queue.splice(0, batch.length);
    for (const line of lines) this.#report(line);
    if (this.#queue.length > 0) return;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #report(line: IndexLine): void {
    if (line.kind === 'track') {
      this.#committed = line.track;
      this.#deps.parent.trackCommitted(line.track);
    }
    if (line.kind === 'fragment' && this.#committed !== undefined) {
      this.#entries.push(line.entry);
      this.#deps.parent.fragmentCommitted(this.#committed, line.entry);
    }
  }
}

function stamped(line: IndexLine, atMs: number): IndexLine {
  return line.kind === 'fragment' ? { ...line, entry: { ...line.entry, committedAtMs: atMs } } : line;
}

function indexOfFormat(track: Track | undefined, format: TrackFormat): number {
  if (track === undefined) return -1;
  return track.formats.findIndex(
    (known) =>
      known.kind === format.kind &&
      Buffer.compare(known.configurationRecord, format.configurationRecord) === 0,
  );
}

const CONTENT_TYPES = { video: 'video/mp4', audio: 'audio/mp4', text: 'application/mp4' } as const;

function contentTypeOf(track: Track): string {
  return CONTENT_TYPES[track.type];
}
