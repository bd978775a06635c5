import { randomUUID } from 'node:crypto';
import { type Outbox, outboxRow } from '../events/outbox.ts';
import { accountScope } from '../resources/account-scope.ts';
import { type Encoders, NO_ENCODERS } from '../worker/encoders.ts';
import { Worker } from '../worker/worker.ts';
import type { RoleDeps, RunningRole } from './role.ts';

export interface WorkerRoleDeps extends RoleDeps {
  readonly outbox: Outbox;
}

/** Carries jobs out: as many at a time as the account has encoding units, of which this process has its share. */
export function startWorkerRole(deps: WorkerRoleDeps): Promise<RunningRole> {
  return startWorkerWith(NO_ENCODERS, deps);
}

export async function startWorkerWith(encoders: Encoders, deps: WorkerRoleDeps): Promise<RunningRole> {
  const { config, log, table, jobs, outbox } = deps;
  const { account } = accountScope(config.accountId, config.location);
  const worker = new Worker({
    store: table,
    events: {
      change: (newEvent) => ({ kind: 'create', ...outboxRow(newEvent, Date.now()) }),
      wake: () => outbox.wake(),
    },
    queue: jobs.queueOf(account),
    encoders,
    worker: randomUUID(),
    unitsMax: config.workerUnitsMax,
    log,
  });
  jobs.onSent(account, () => worker.wake());
  return { ports: {}, close: () => worker.close() };
}
