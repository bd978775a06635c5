import type { AccountScope } from '../resources/account-scope.ts';
import { armError } from '../resources/error-catalogue.ts';
import type { PublicAddresses } from '../resources/live-event-addresses.ts';
import type { Quotas } from '../resources/quotas.ts';
import type { ControlContainers } from './control-containers.ts';
import type { ControlEvents, ControlStore, RowChange } from './control-store.ts';
import type { JobQueue } from './job-queue.ts';
import type { Operations } from './operations.ts';
import type { SecretSealer } from './sealed-secrets.ts';

/** What every route works with. */
export interface ControlContext {
  readonly scope: AccountScope;
  readonly addresses: PublicAddresses;
  readonly quotas: Quotas;
  readonly jobQueue: JobQueue;
  readonly log: { warn(event: string, fields?: object): void };
  readonly store: ControlStore;
  readonly sealer: SecretSealer;
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
