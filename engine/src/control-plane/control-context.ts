import type { AccountScope } from '../resources/account-scope.ts';
import type { ContainerPlace } from '../resources/container-place.ts';
import { armError } from '../resources/error-catalogue.ts';
import type { PublicAddresses } from '../resources/live-event-addresses.ts';
import type { ControlEvents, ControlStore, RowChange } from './control-store.ts';
import type { Operations } from './operations.ts';

/** Blob containers of assets. A place may be the record of whatever has one. */
export interface ControlContainers {
  /** The account's primary storage account. */
  readonly accountName: string;
  ensure(place: ContainerPlace): Promise<void>;
  remove(place: ContainerPlace): Promise<void>;
  sasUrls(place: ContainerPlace, permissions: string, expiresAtMs: number): readonly string[];
  manifestNames(place: ContainerPlace): Promise<readonly string[]>;
}

/** What every route works with. */
export interface ControlContext {
  readonly scope: AccountScope;
  readonly addresses: PublicAddresses;
  readonly liveEventsMax: number;
  readonly store: ControlStore;
  readonly events: ControlEvents;
  readonly containers: ControlContainers;
  readonly operations: Operations;
}

export const nowIso = (): string => new Date().toISOString();

/** Throws `TooManyChanges` when a row was changed meanwhile. */
export async function commitOrConflict(
  { store }: ControlContext,
  changes: readonly RowChange[],
): Promise<void> {
  if ((await store.commit(changes)) === 'conflict') throw armError('TooManyChanges');
}
