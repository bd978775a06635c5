import type { BegunStatus, ScaleReading, ScaleTarget, Scaling } from '../domain/scaling.ts';
import type { Outcome } from './media-service.ts';
import type { Claims, Clock, DueIndex, OperationStore, Stored } from './stores.ts';

/** `status`: where the media service tells how it goes, when it says where. */
export type ScaleOrder =
  | { readonly kind: 'done'; readonly status: string | null }
  | Exclude<Outcome, { kind: 'done' }>;

/** What can be scaled in the media service. Reads throw when it cannot be reached; an order tells by its outcome. */
export interface Scalables {
  read(target: ScaleTarget): Promise<ScaleReading | undefined>;
  order(target: ScaleTarget, units: number): Promise<ScaleOrder>;
  /** How an order goes. */
  follow(target: ScaleTarget, status: string): Promise<BegunStatus>;
}

export interface ScalingStore {
  find(key: string): Promise<Stored<Scaling> | undefined>;
  /** Writes when the stored one is still the one of `etag` (undefined: when there is none); undefined: it is not. */
  save(key: string, scaling: Scaling, etag: string | undefined): Promise<string | undefined>;
}

/** What is on the queue `scale-requests`: whom to look at. What is wanted of it is stored. */
export interface ScaleMessage {
  readonly kind: ScaleTarget['kind'];
  readonly name: string;
  readonly operation: string;
}

export interface ScaleQueue {
  send(message: ScaleMessage, delaySeconds: number): Promise<void>;
  /** To where messages go that cannot be carried out. */
  giveUp(message: ScaleMessage): Promise<void>;
}

export interface ScalingDependencies {
  readonly scalings: ScalingStore;
  readonly scaleDue: DueIndex;
  readonly scaleQueue: ScaleQueue;
  readonly scalables: Scalables;
  readonly operations: OperationStore;
  readonly claims: Claims;
  readonly clock: Clock;
}
