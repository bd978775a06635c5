/** An event as its producer knows it; id, versions and (never) topic are added when it is sent. */
export interface NewEvent {
  /** `Microsoft.Media.…` as the original's, `Headend.Media.…` ours. */
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Unix milliseconds; now when omitted. */
  readonly eventTimeMs?: number;
}

export interface EventRecorder {
  /** Resolves when the events are stored; they are then sent at least once, however often this process dies. */
  record(events: readonly NewEvent[]): Promise<void>;
  /** For what is stale in seconds (heartbeats): never stored, dropped when the sender is behind. */
  emitTransient(newEvent: NewEvent): void;
}
