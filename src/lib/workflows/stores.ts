import type { Channel } from '../domain/channel.ts';
import type { Operation } from '../domain/operation.ts';
import type { Program } from '../domain/program.ts';

export interface Stored<T> {
  readonly value: T;
  readonly etag: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Name of the last entry looked at, when there may be more. */
  readonly after: string | undefined;
}

export interface ChannelStore {
  find(name: string): Promise<Stored<Channel> | undefined>;
  /** Writes when the stored one is still the one of `etag` (undefined: when there is none); undefined: it is not. */
  save(channel: Channel, etag: string | undefined): Promise<string | undefined>;
  remove(name: string, etag: string): Promise<boolean>;
  page(options: { after: string | undefined; sizeMax: number }): Promise<Page<Channel>>;
}

export interface ProgramStore {
  find(channel: string, name: string): Promise<Stored<Program> | undefined>;
  save(program: Program, etag: string | undefined): Promise<string | undefined>;
  remove(channel: string, name: string, etag: string): Promise<boolean>;
  ofChannel(channel: string): Promise<readonly Stored<Program>[]>;
}

export interface OperationStore {
  find(id: string): Promise<Operation | undefined>;
  save(operation: Operation): Promise<void>;
  /** Merges what `change` gives; an operation that is over never changes again. */
  change(id: string, change: (before: Operation) => Partial<Operation>): Promise<void>;
}

export interface TimelineEntry {
  /** Sorts newest first; the same for the same thing told twice. */
  readonly id: string;
  readonly channel: string;
  readonly atMs: number;
  readonly type: string;
  readonly source: 'api' | 'event' | 'reconcile';
  readonly by: string;
  readonly program: string | null;
  readonly effect: string;
  readonly milliseconds: number | null;
}

export interface Timeline {
  /** False when an entry of this id is there already. */
  add(entry: TimelineEntry): Promise<boolean>;
  page(
    channel: string,
    options: { after: string | undefined; sizeMax: number },
  ): Promise<Page<TimelineEntry>>;
  /** Removes what lies beyond the newest entries that are kept. */
  prune(channel: string): Promise<void>;
  /** Removes all of it: what is of this name from now on is something else. */
  forget(channel: string): Promise<void>;
}

/** What has to be looked at, and when, whatever happens. */
export interface DueIndex {
  set(key: string, dueAtMs: number): Promise<void>;
  clear(key: string): Promise<void>;
  due(nowMs: number): Promise<readonly string[]>;
}

/** Who reconciles a channel now. */
export interface Claims {
  /** Undefined: somebody else has it. */
  take(channel: string, nowMs: number): Promise<Claim | undefined>;
}

export interface Claim {
  /** Keeps it for another while; false when it was lost. */
  extend(nowMs: number): Promise<boolean>;
  release(): Promise<void>;
}

export interface ReconcileQueue {
  send(channel: string, delaySeconds: number): Promise<void>;
  sendVideo(video: string, delaySeconds: number): Promise<void>;
}

export interface Clock {
  now(): number;
}
