import { randomUUID } from 'node:crypto';
import { createAccountStore } from '../control-plane/account-store.ts';
import { AccountRecord } from '../resources/account.ts';
import { ENGINE_PARTITION, registeredAccounts } from '../resources/row-keys.ts';
import { NO_ENCODERS } from '../worker/encoders.ts';
import { type RunningJobs, Worker } from '../worker/worker.ts';
import type { RoleDeps, RunningRole } from './role.ts';

const LOOK_EVERY_MS = 5000;
const ACCOUNTS_READ_MAX = 1000;
/** Of all accounts together, queues are not looked at more often than this. */
const MS_PER_LOOK_MIN = 20;
const IDLE_MS_MAX = 2000;

/** Carries jobs out: as many at a time as each account has encoding units, of which this process has its share. */
export async function startWorkerRole(deps: RoleDeps): Promise<RunningRole> {
  const workers = new AccountWorkers(deps);
  await workers.follow();
  return { ports: {}, close: () => workers.close() };
}

/** A worker for each account that there is. */
class AccountWorkers {
  readonly #deps: RoleDeps;
  readonly #workers = new Map<string, Worker>();
  /** This process has as many jobs as it may, whichever accounts they are of. */
  readonly #running: RunningJobs = { count: 0 };
  readonly #name = randomUUID();
  #timer: NodeJS.Timeout | undefined;
  #following: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(deps: RoleDeps) {
    this.#deps = deps;
  }

  /** Now and every few seconds: starts and ends workers as accounts come and go. */
  async follow(): Promise<void> {
    this.#following = this.#look().catch((error: unknown) => {
      this.#deps.log.warn('worker.accountsUnreadable', { error });
    });
    await this.#following;
    if (!this.#isClosed) this.#timer = setTimeout(() => this.follow(), LOOK_EVERY_MS).unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#following;
    await Promise.all([...this.#workers.values()].map((worker) => worker.close()));
  }

  async #look(): Promise<void> {
    const rows = await this.#deps.table
      .inPartition(ENGINE_PARTITION)
      .list(registeredAccounts, { limit: ACCOUNTS_READ_MAX });
    if (this.#isClosed) return;
    const records = rows.map(({ body }) => AccountRecord.parse(body));
    const names = records.filter(({ isDeleting }) => !isDeleting).map(({ name }) => name);
    for (const name of names) {
      if (!this.#workers.has(name)) this.#workers.set(name, this.#start(name));
    }
    for (const [name, worker] of this.#workers) {
      if (names.includes(name)) continue;
      this.#workers.delete(name);
      await worker.close();
    }
  }

  #start(account: string): Worker {
    const { accountEvents, config, index, jobs, log, table } = this.#deps;
    const { events, hasTopic } = accountEvents.of(account);
    const rows = table.inPartition(account);
    const worker = new Worker({
      ...{ events, log, running: this.#running, worker: this.#name },
      store: createAccountStore({ rows, account, claims: index, hasTopic, log }),
      queue: jobs.queueOf(account),
      encoders: NO_ENCODERS,
      unitsMax: config.workerUnitsMax,
      idleMsMax: () => Math.max(IDLE_MS_MAX, this.#workers.size * MS_PER_LOOK_MIN),
    });
    jobs.onSent(account, () => worker.wake());
    return worker;
  }
}
