import { LRUCache } from 'lru-cache';
import { AccountRecord } from '../resources/account.ts';
import { armError } from '../resources/error-catalogue.ts';
import { registeredAccountKey, registeredAccounts } from '../resources/row-keys.ts';
import type { AccountAddress } from './arm-http.ts';
import type { ControlStore } from './control-store.ts';

const REMEMBERED_MS = 1000;
const REMEMBERED_MAX = 1000;
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface AccountRow {
  readonly rowKey: string;
  readonly etag: string;
  readonly record: AccountRecord;
}

export interface AccountsDeps {
  /** The engine's own partition. */
  readonly rows: ControlStore;
  /** The account that the engine is set up with: it, its group and its subscription are always there. */
  readonly own: { readonly subscriptionId: string; readonly resourceGroup: string; readonly account: string };
  /** Further subscriptions that callers may make accounts in. */
  readonly subscriptions: readonly string[];
  readonly accountsMax: number;
}

/** The accounts of the engine, by the rows that register them. */
export class Accounts {
  readonly #deps: AccountsDeps;
  readonly #remembered = new LRUCache<string, Promise<AccountRow | undefined>>({
    max: REMEMBERED_MAX,
    ttl: REMEMBERED_MS,
  });

  constructor(deps: AccountsDeps) {
    this.#deps = deps;
  }

  get accountsMax(): number {
    return this.#deps.accountsMax;
  }

  isOwn(name: string): boolean {
    return isSame(name, this.#deps.own.account);
  }

  /** Whoever has the name, in whatever group, also while it is being deleted. */
  async findByName(name: string): Promise<AccountRow | undefined> {
    const row = await this.#deps.rows.find(registeredAccountKey(name));
    return row && { rowKey: row.rowKey, etag: row.etag, record: AccountRecord.parse(row.body) };
  }

  /** The account at an address; undefined when there is none. */
  async find(address: AccountAddress): Promise<AccountRow | undefined> {
    return atAddress(await this.findByName(address.account), address);
  }

  /** The same for calls on what is in it: as it was a second ago at most. Throws what says what is not there. */
  async get(address: AccountAddress, missing: 'account' | 'parent'): Promise<AccountRow> {
    const key = address.account.toLowerCase();
    const looking = this.#remembered.get(key) ?? this.findByName(address.account);
    this.#remembered.set(key, looking);
    looking.catch(() => this.#remembered.delete(key));
    const found = atAddress(await looking, address);
    if (found !== undefined) return found;
    this.#remembered.delete(key);
    return this.refuseMissing(address, missing);
  }

  /** This process has changed it. */
  forget(name: string): void {
    this.#remembered.delete(name.toLowerCase());
  }

  /** In the order of their names; without those that are being deleted. */
  async list(): Promise<readonly AccountRecord[]> {
    return (await this.listAll()).filter(({ isDeleting }) => !isDeleting);
  }

  async listAll(): Promise<readonly AccountRecord[]> {
    const rows = await this.#deps.rows.list(registeredAccounts, { limit: this.#deps.accountsMax });
    return rows.map(({ body }) => AccountRecord.parse(body));
  }

  /** Throws `InvalidSubscriptionId` and `SubscriptionNotFound`. */
  checkSubscription(id: string): void {
    if (!GUID.test(id)) throw armError('InvalidSubscriptionId', { name: id });
    const { own, subscriptions } = this.#deps;
    if ([own.subscriptionId, ...subscriptions].some((known) => isSame(known, id))) return;
    throw armError('SubscriptionNotFound', { name: id });
  }

  /** A group is there when it is the engine's own or has an account. Throws `ResourceGroupNotFound`. */
  async checkResourceGroup(subscription: string, name: string): Promise<void> {
    const { own } = this.#deps;
    const isOfGroup = (group: { readonly subscriptionId: string; readonly resourceGroup: string }) =>
      isSame(group.subscriptionId, subscription) && isSame(group.resourceGroup, name);
    if (isOfGroup(own) || (await this.list()).some(isOfGroup)) return;
    throw armError('ResourceGroupNotFound', { name });
  }

  async refuseMissing(
    { subscription, resourceGroup, account }: AccountAddress,
    missing: 'account' | 'parent',
  ): Promise<never> {
    this.checkSubscription(subscription);
    await this.checkResourceGroup(subscription, resourceGroup);
    if (missing === 'account') throw armError('AccountNotFound', { name: account, resourceGroup });
    throw armError('ParentAccountNotFound', { name: account });
  }
}

function atAddress(row: AccountRow | undefined, address: AccountAddress): AccountRow | undefined {
  if (row === undefined || row.record.isDeleting) return undefined;
  const { subscriptionId, resourceGroup } = row.record;
  const isThere =
    isSame(subscriptionId, address.subscription) && isSame(resourceGroup, address.resourceGroup);
  return isThere ? row : undefined;
}

/** ARM compares what is in an address without letter case. */
const isSame = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase();
