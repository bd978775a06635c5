import type { LibraryContainer } from '../library/library-container.ts';
import type { IndexLine } from '../model/index-line.ts';
import type { TrackIndex } from '../model/presentation.ts';

/** What delivery takes of a log; `server/log.ts` has it. */
export interface DeliveryLog {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

/** A recording as its committed index has it. */
export interface Recording {
  /** `ended` once its end line is committed. */
  readonly state: 'live' | 'ended';
  readonly tracks: readonly TrackIndex[];
  /** Of an ended one: what is before it is deleted, or about to be. */
  readonly archiveWindowTicks: number | undefined;
  /** As in `PresentationIndex`; of an ended one. */
  readonly fragmentsPerTsSegment?: number | undefined;
  /** Of an ended one: when its end was committed, Unix milliseconds; every origin process reads the same. */
  readonly endedAtMs: number | undefined;
  /** As in `PresentationIndex`. */
  readonly zeroMs?: number | 'unknown';
  /** As in `PresentationIndex`. */
  readonly filesZeroTicks?: number | undefined;
  /** Of what can be replaced after its end: different whenever it was. */
  readonly version?: string;
}

/** Recordings in asset containers. All answer undefined for what is not there and throw when storage fails. */
export interface RecordingReader {
  readRecording(container: string, manifestName: string): Promise<Recording | undefined>;
  header(container: string, folder: string, formatIndex: number): Promise<Uint8Array | undefined>;
  fragment(container: string, folder: string, decodeTimeTicks: number): Promise<Uint8Array | undefined>;
  /** What lies beside recordings in a container. */
  files(container: string): LibraryContainer;
}

/** The ingest process that holds a live event. */
export interface Owner {
  readonly epoch: number;
  /** `http://host:port` of its feed. */
  readonly address: string;
}

export interface OwnershipReader {
  find(liveEventId: string): Promise<Owner | undefined>;
}

export interface FeedReply {
  readonly epoch: number;
  readonly cursor: string;
  readonly ended: boolean;
  readonly lines: readonly { readonly folder: string; readonly line: IndexLine }[];
}

/** `restart`: the cursor is of another epoch or too old. `notFound`: no such event or source there. */
export type PollOutcome =
  | { readonly kind: 'reply'; readonly reply: FeedReply }
  | { readonly kind: 'restart' }
  | { readonly kind: 'notFound' };

export interface FeedPoll {
  readonly liveEventId: string;
  /** `preview` or `output!{name}`. */
  readonly source: string;
  readonly after: string | undefined;
  readonly waitMs: number;
}

/** The live feed of an owner. Throws when the owner cannot be reached or answers nonsense. */
export interface FeedClient {
  poll(owner: Owner, request: FeedPoll, signal: AbortSignal): Promise<PollOutcome>;
  fragment(
    owner: Owner,
    liveEventId: string,
    name: { readonly folder: string; readonly decodeTimeTicks: number },
  ): Promise<Uint8Array | undefined>;
  header(
    owner: Owner,
    liveEventId: string,
    name: { readonly folder: string; readonly formatIndex: number },
  ): Promise<Uint8Array | undefined>;
}
