import { setTimeout as sleep } from 'node:timers/promises';
import { LIVE_OUTPUTS_PER_EVENT_MAX } from '../resources/live-output.ts';
import { prefixes, registeredAccountKey } from '../resources/row-keys.ts';
import type { Accounts } from './accounts.ts';
import type { ControlStore, RowChange, StoredRow } from './control-store.ts';
import type { LiveRuntime } from './live-runtime.ts';

const PAGE = 100;
/** Of one run: a larger account is gone on with by the next. */
const PAGES_MAX = 2000;
const LIVE_EVENTS_MAX = 10_000;
/** How long the caller of a deletion waits for the end of it. */
const WAITED_FOR_MS = 10_000;
/** What a worker of a deleted account has made anew, which it may for some seconds. */
const REMAINS_LOOKED_AT_EVERY_MS = 60_000;

/** What belongs to one account. */
export interface RemovablePartition {
  /** Lets go of what the account has claimed. */
  readonly store: ControlStore;
  readonly liveRuntime: LiveRuntime;
  /** Any rows at all. */
  anyRows(limit: number): Promise<readonly StoredRow[]>;
  /** Whatever works on the account in this process stops. */
  close(): Promise<void>;
}

/** What the jobs of accounts have outside the table: parts, and messages. */
export interface JobRemains {
  /** Whose there are any. */
  accounts(): Promise<readonly string[]>;
  remove(account: string): Promise<void>;
}

export interface AccountRemovalDeps {
  readonly accounts: Pick<Accounts, 'findByName' | 'listAll' | 'forget'>;
  /** The engine's own partition. */
  readonly rows: ControlStore;
  readonly partitionOf: (account: string) => RemovablePartition;
  readonly jobRemains: JobRemains;
  readonly log: {
    info(event: string, fields?: object): void;
    warn(event: string, fields?: object): void;
  };
}

/**
 * Removes what is in deleted accounts: live events are stopped and their recordings finished, then the rows go, then what
 * was kept for jobs, then the account's name is free. Containers of assets stay in their storage accounts. Any process may
 * begin again at any time.
 */
export class AccountRemoval {
  readonly #deps: AccountRemovalDeps;
  readonly #running = new Map<string, Promise<void>>();
  #remainsLookedAtMs = 0;
  #isClosed = false;

  constructor(deps: AccountRemovalDeps) {
    this.#deps = deps;
  }

  /** Resolves when the account is gone, or after some seconds; it goes on then. */
  async remove(account: string): Promise<void> {
    await Promise.race([this.#run(account), sleep(WAITED_FOR_MS, undefined, { ref: false })]);
  }

  /** Takes up what a crash or an outage has left. */
  async resume(): Promise<void> {
    for (const { name, isDeleting } of await this.#deps.accounts.listAll()) {
      if (isDeleting) await this.#run(name);
    }
    await this.#sweepRemains();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#running.values());
  }

  /** The accounts are read after what there is: one that is made meanwhile is among them before it has jobs. */
  async #sweepRemains(): Promise<void> {
    if (Date.now() - this.#remainsLookedAtMs < REMAINS_LOOKED_AT_EVERY_MS) return;
    this.#remainsLookedAtMs = Date.now();
    const { accounts, jobRemains, log } = this.#deps;
    const found = await jobRemains.accounts();
    const known = new Set((await accounts.listAll()).map(({ name }) => name.toLowerCase()));
    for (const account of found) {
      if (known.has(account) || this.#isClosed) continue;
      await jobRemains.remove(account);
      log.info('account.jobRemainsRemoved', { account });
    }
  }

  #run(account: string): Promise<void> {
    const known = this.#running.get(account);
    if (known !== undefined) return known;
    const running = this.#removeAll(account)
      .catch((error: unknown) => this.#deps.log.warn('account.notRemoved', { account, error }))
      .finally(() => this.#running.delete(account));
    this.#running.set(account, running);
    return running;
  }

  async #removeAll(account: string): Promise<void> {
    const { accounts, rows, partitionOf, jobRemains, log } = this.#deps;
    const partition = partitionOf(account);
    await partition.close();
    await endLiveEvents(partition);
    for (let pages = 0; pages < PAGES_MAX && !this.#isClosed; pages += 1) {
      const page = await partition.anyRows(PAGE);
      if (page.length === 0) {
        await jobRemains.remove(account);
        const row = await accounts.findByName(account);
        if (row?.record.isDeleting) {
          await rows.commit([{ kind: 'delete', rowKey: registeredAccountKey(account) }]);
        }
        accounts.forget(account);
        log.info('account.removed', { account });
        return;
      }
      await removeRows(partition.store, page);
    }
  }
}

/** A transaction fails whole when one of its rows is gone: then each goes by itself. */
async function removeRows(store: ControlStore, page: readonly StoredRow[]): Promise<void> {
  const changes = page.map(({ rowKey }): RowChange => ({ kind: 'delete', rowKey }));
  if ((await store.commit(changes)) === 'committed') return;
  for (const change of changes) await store.commit([change]);
}

async function endLiveEvents({ store, liveRuntime }: RemovablePartition): Promise<void> {
  const events = await store.list(prefixes.liveEvents, { limit: LIVE_EVENTS_MAX });
  for (const { rowKey, body } of events) {
    const name = String(Reflect.get(Object(body), 'name'));
    const outputs = await store.list(prefixes.liveOutputsOf(name), { limit: LIVE_OUTPUTS_PER_EVENT_MAX });
    await store.commit([
      { kind: 'upsert', rowKey, body: { ...Object(body), state: 'Deleting' } },
      ...outputs.map(
        (output): RowChange => ({
          kind: 'upsert',
          rowKey: output.rowKey,
          body: { ...Object(output.body), state: 'Deleting' },
        }),
      ),
    ]);
    await liveRuntime.refresh(name);
  }
}
