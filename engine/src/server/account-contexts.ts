import { forgetExpiredTokens } from '../control-plane/access-tokens.ts';
import type { RemovablePartition } from '../control-plane/account-removal.ts';
import { createAccountStore } from '../control-plane/account-store.ts';
import type { AccountRow, Accounts } from '../control-plane/accounts.ts';
import type { AccountAddress } from '../control-plane/arm-http.ts';
import type { ControlContext } from '../control-plane/control-context.ts';
import type { ControlStore } from '../control-plane/control-store.ts';
import { rebuildIndexes } from '../control-plane/index-rebuild.ts';
import { INDEXED_COLLECTIONS } from '../control-plane/indexed-collections.ts';
import { JobUpkeep } from '../control-plane/job-upkeep.ts';
import type { LiveRuntime } from '../control-plane/live-runtime.ts';
import { OPERATION_KINDS } from '../control-plane/operation-kinds.ts';
import { Operations } from '../control-plane/operations.ts';
import { checkMasterKeys, resealSecrets } from '../control-plane/sealed-secrets.ts';
import { type AccountRecord, scopeOfAccount } from '../resources/account.ts';
import { armError } from '../resources/error-catalogue.ts';
import type { PublicAddresses } from '../resources/live-event-addresses.ts';
import { liveEventIdOf } from '../resources/live-event-id.ts';
import { primaryOf, storageAccountNameOf } from '../resources/storage-account-ids.ts';
import { parseMasterKeys } from '../sealing/master-keys.ts';
import { createSealer } from '../sealing/sealer.ts';
import { AssetContainers } from '../store/asset-containers.ts';
import type { AccountEvents } from './account-events.ts';
import type { ControlConfig } from './config.ts';
import type { Log } from './log.ts';
import { startMetricsUpkeep } from './metrics.ts';
import type { RoleDeps } from './role.ts';

const TOKENS_FORGOTTEN_EVERY_MS = 60_000;
/** Accounts that another process has made are taken up, and what it left of deleted ones is removed. */
const FOLLOWED_EVERY_MS = 60_000;

export interface AccountContextsDeps
  extends Pick<RoleDeps, 'log' | 'table' | 'index' | 'storageAccounts' | 'jobs'> {
  readonly control: ControlConfig;
  readonly accounts: Accounts;
  readonly accountEvents: AccountEvents;
  /** By the live event's id among those of all accounts. */
  readonly liveRuntime: LiveRuntime;
  readonly addressesOf: (scope: { readonly account: string; readonly location: string }) => PublicAddresses;
}

/** Everything of a context but what a change of the account's settings changes. */
type FixedContext = Omit<ControlContext, 'containers'>;

interface OpenContext {
  readonly fixed: FixedContext;
  close(): Promise<void>;
}

/** The contexts of the accounts that this process works in, with what runs for each. */
export class AccountContexts {
  readonly #deps: AccountContextsDeps;
  readonly #open = new Map<string, Promise<OpenContext>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: AccountContextsDeps) {
    this.#deps = deps;
  }

  /** For a call on what is in an account; throws what says what is not there. */
  async get(address: AccountAddress): Promise<ControlContext> {
    const { record }: AccountRow = await this.#deps.accounts.get(address, 'parent');
    if (!record.isReady) {
      throw armError('AccountNotReady', { name: record.name, state: record.provisioningState });
    }
    const { fixed } = await this.#contextOf(record);
    return { ...fixed, containers: this.#containersOf(record) };
  }

  /** Opens those that are there, and from then on looks for others; `then` runs after each look. */
  async follow(then: () => Promise<void>): Promise<void> {
    const look = async (): Promise<void> => {
      for (const record of await this.#deps.accounts.list()) {
        if (record.isReady) await this.#contextOf(record);
      }
    };
    await look();
    const { log } = this.#deps;
    const again = (): void => {
      look()
        .then(then)
        .catch((error: unknown) => log.warn('control.accountsNotFollowed', { error }));
    };
    this.#timer = setInterval(again, FOLLOWED_EVERY_MS).unref();
    then().catch((error: unknown) => log.warn('control.accountsNotFollowed', { error }));
  }

  /** For the removal of a deleted account. */
  partitionOf(account: string): RemovablePartition {
    const { table } = this.#deps;
    return {
      store: this.storeOf(account),
      liveRuntime: this.#liveRuntimeOf(account),
      anyRows: (limit) => table.inPartition(account).listAny(limit),
      close: () => this.#close(account),
    };
  }

  storeOf(account: string): ControlStore {
    const { table, index: claims, accountEvents, log } = this.#deps;
    const { hasTopic } = accountEvents.of(account);
    return createAccountStore({ rows: table.inPartition(account), account, claims, hasTopic, log });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const open = await Promise.allSettled(this.#open.values());
    await Promise.all(open.map((one) => (one.status === 'fulfilled' ? one.value.close() : undefined)));
  }

  async #close(account: string): Promise<void> {
    const open = this.#open.get(account.toLowerCase());
    this.#open.delete(account.toLowerCase());
    await (await open)?.close();
    await this.#deps.accountEvents.forget(account);
  }

  #contextOf(record: AccountRecord): Promise<OpenContext> {
    const key = record.name.toLowerCase();
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const opening = this.#openContext(record);
    this.#open.set(key, opening);
    opening.catch(() => this.#open.delete(key));
    return opening;
  }

  async #openContext(record: AccountRecord): Promise<OpenContext> {
    const { accounts, accountEvents, log } = this.#deps;
    const store = this.storeOf(record.name);
    await rebuildIndexes({ store, log }, INDEXED_COLLECTIONS);
    const fixed = this.#fixedContext(record, store);
    await checkMasterKeys(fixed);
    await fixed.operations.resume();
    resealInBackground(fixed, log);
    const jobUpkeep = new JobUpkeep(fixed);
    jobUpkeep.start();
    fixed.events.wake();
    const tokens = setInterval(() => {
      forgetExpiredTokens(store, Date.now()).catch((error: unknown) => {
        log.warn('control.tokensNotForgotten', { account: record.name, error });
      });
    }, TOKENS_FORGOTTEN_EVERY_MS).unref();
    const { metrics } = accountEvents.of(record.name);
    const table = this.#deps.table.inPartition(record.name);
    // That of the engine's own account runs from the start.
    const measuring = accounts.isOwn(record.name)
      ? undefined
      : startMetricsUpkeep(metrics, { table, log, ...this.#deps.control });
    return {
      fixed,
      async close() {
        clearInterval(tokens);
        await Promise.all([fixed.operations.close(), jobUpkeep.close(), measuring?.close()]);
      },
    };
  }

  #fixedContext(record: AccountRecord, store: ControlStore): FixedContext {
    const { control, accountEvents, jobs, log } = this.#deps;
    const scope = scopeOfAccount(record);
    const { events } = accountEvents.of(scope.account);
    const sealer = createSealer(parseMasterKeys(control.masterKeys.reveal()), scope.account);
    const operations = new Operations({
      ...{ kinds: OPERATION_KINDS, scope, store, events, log },
      containers: this.#containersOf(record),
      liveRuntime: this.#liveRuntimeOf(scope.account),
    });
    return {
      ...{ scope, store, events, sealer, operations, log },
      addresses: this.#deps.addressesOf(scope),
      quotas: control.quotas,
      jobQueue: jobs.queueOf(scope.account),
    };
  }

  #containersOf({ storageAccounts }: AccountRecord): AssetContainers {
    const names = storageAccounts.map(({ id }) => storageAccountNameOf(id));
    return new AssetContainers(this.#deps.storageAccounts, primaryOf(storageAccounts), names);
  }

  #liveRuntimeOf(account: string): LiveRuntime {
    const { liveRuntime } = this.#deps;
    return {
      refresh: (name) => liveRuntime.refresh(liveEventIdOf(account, name)),
      telemetry: (name) => liveRuntime.telemetry(liveEventIdOf(account, name)),
    };
  }
}

/** During a rotation of the master keys; at 0 rows the older ones may leave their file. */
function resealInBackground(context: FixedContext, log: Log): void {
  if (!context.sealer.hasOlderKeys) return;
  const { account } = context.scope;
  resealSecrets(context).then(
    (rows) => log.info('control.secretsResealed', { account, rows }),
    (error: unknown) => log.warn('control.secretsNotResealed', { account, error }),
  );
}
