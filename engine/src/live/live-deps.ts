import type { LiveDirectory } from './live-directory.ts';
import type { OwnershipStore, RecordingStore } from './live-fragment.ts';

/** An event as its producer knows it (events/event-recorder.ts has the rest). */
export interface LiveNewEvent {
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly eventTimeMs?: number;
}

export interface LiveLog {
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

/** What the live runtime needs of the outside. */
export interface LiveDeps {
  readonly directory: LiveDirectory;
  readonly recordings: RecordingStore;
  readonly ownerships: OwnershipStore;
  readonly events: {
    /** Of a live event, or of none that is known. */
    record(events: readonly LiveNewEvent[], liveEventId?: string): Promise<void>;
    emitTransient(newEvent: LiveNewEvent, liveEventId?: string): void;
  };
  /** Where origins reach this process's live feed; known once it listens. */
  readonly feedAddress: () => string;
  readonly clock: { now(): number };
  readonly log: LiveLog;
}
