import type { AccountScope } from '../resources/account-scope.ts';
import type { PublicAddresses } from '../resources/live-event-addresses.ts';
import type { ControlEvents, ControlStore } from './control-store.ts';
import type { Operations } from './operations.ts';

/** Blob containers of assets. */
export interface ControlContainers {
  readonly accountName: string;
  ensure(container: string): Promise<void>;
  remove(container: string): Promise<void>;
  sasUrls(container: string, permissions: string, expiresAtMs: number): readonly string[];
  manifestNames(container: string): Promise<readonly string[]>;
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
