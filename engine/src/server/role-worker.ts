import { randomUUID } from 'node:crypto';
import { createAccountStore } from '../control-plane/account-store.ts';
import { AccountRecord } from '../resources/account.ts';
import { ENGINE_PARTITION, registeredAccounts } from '../resources/row-keys.ts';
import { parseMasterKeys } from '../sealing/master-keys.ts';
import { createSealer } from '../sealing/sealer.ts';
import { makeToldPart } from '../worker/divided-step.ts';
import { sweepJobs } from '../worker/forget-job.ts';
import { createEncoders } from '../worker/preset-encoders.ts';
import { type RunningJobs, Worker } from '../worker/worker.ts';
import type { WorkerTools, Workshop } from '../worker/workshop.ts';
import type { RoleDeps, RunningRole } from './role.ts';
import { openWorkerTools } from './worker-tools.ts';

const LOOK_EVERY_MS = 5000;
const ACCOUNTS_READ_MAX = 1000;
/** Of all accounts together, queues are not looked at more often than this. */
const MS_PER_LOOK_MIN = 20;
const IDLE_MS_MAX = 1000;
const SWEEP_EVERY_MS = 60_000;

/** Carries jobs out: as many at a time as each account has encoding units, of which this process has its share. */
export async function startWorkerRole(deps: RoleDeps): Promise<RunningRole> {
  const tools = await openWorkerTools(deps);
  const workers = new AccountWorkers(deps, tools);
  await workers.follow();
  return {
    ports: {},
    async close() {
      await workers.close();
      await tools.cache.close();
    },
  };
}

/** A worker for each account that there is. */
class AccountWorkers {
  readonly #deps: RoleDeps;
  readonly #tools: WorkerTools;
  readonly #workers = new Map<string, { readonly worker: Worker; readonly workshop: Workshop }>();
  /** This process has as many jobs as it may, whichever accounts they are of. */
  readonly #running: RunningJobs = { count: 0 };
  readonly #name = randomUUID();
  #timer: NodeJS.Timeout | undefined;
  #following: Promise<void> = Promise.resolve();
  #isClosed = false;

  #sweptAtMs = Date.now();

  constructor(deps: RoleDeps, tools: WorkerTools) {
    this.#deps = deps;
    this.#tools = tools;
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
    await Promise.all([...this.#workers.values()].map(({ worker }) => worker.close()));
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
    for (const [name, { worker }] of this.#workers) {
      if (names.includes(name)) continue;
      this.#workers.delete(name);
      await worker.close();
    }
    await this.#sweep();
  }

  /** What crashed workers have left of jobs. */
  async #sweep(): Promise<void> {
    if (Date.now() - this.#sweptAtMs < SWEEP_EVERY_MS) return;
    this.#sweptAtMs = Date.now();
    for (const [account, { workshop }] of this.#workers) {
      if (this.#isClosed) return;
      await sweepJobs(workshop).catch((error: unknown) => {
        this.#deps.log.warn('worker.sweepFailed', { account, error });
      });
    }
  }

  #start(account: string): { readonly worker: Worker; readonly workshop: Workshop } {
    const { accountEvents, config, index, jobs, log, table } = this.#deps;
    const { events, hasTopic } = accountEvents.of(account);
    const rows = table.inPartition(account);
    const store = createAccountStore({ rows, account, claims: index, hasTopic, log });
    const queue = jobs.queueOf(account);
    const { masterKeys } = config;
    const sealer = masterKeys && createSealer(parseMasterKeys(masterKeys.reveal()), account);
    const workshop: Workshop = { ...this.#tools, account, store, queue };
    const worker = new Worker({
      ...{ events, log, store, queue, running: this.#running, worker: this.#name },
      openSealed: sealer?.open,
      encoders: createEncoders(workshop),
      makePart: (part, signal) => makeToldPart(workshop, part, signal),
      unitsMax: config.workerUnitsMax,
      timing: { leaseMs: config.worker.leaseMs, renewMs: config.worker.leaseMs / 4 },
      idleMsMax: () => Math.max(IDLE_MS_MAX, this.#workers.size * MS_PER_LOOK_MIN),
    });
    jobs.onSent(account, () => worker.wake());
    return { worker, workshop };
  }
}
