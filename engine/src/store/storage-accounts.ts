import {
  BlobServiceClient,
  type ContainerClient,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { type ContainerPlace, parseContainerRef } from '../resources/container-place.ts';

/** One storage account as the settings have it. */
export interface StorageAccountKeys {
  readonly name: string;
  /** `https://{name}.blob.core.windows.net`, or whatever stands for it. */
  readonly blobEndpoint: string;
  readonly key1: string;
  readonly key2?: string | undefined;
}

export interface StorageAccountsDeps {
  /** Connection string of the engine's own storage account. */
  readonly system: string;
  /** The other accounts, and the own one where it has a second key; read again at each `refresh`. */
  readonly read?: (() => Promise<readonly StorageAccountKeys[]>) | undefined;
  /** Where others reach the blobs of the own account; undefined: where the engine does. */
  readonly publicEndpoint?: string | undefined;
}

const REACH_MS_MAX = 10_000;

/** `once`: a call is tried once, by callers that repeat what they must know the outcome of. */
export type StorageCalls = 'retried' | 'once';

const PIPELINES = {
  retried: {},
  once: { retryOptions: { maxTries: 1 } },
} as const satisfies Record<StorageCalls, StoragePipelineOptions>;

/** An account that no credentials are known for; its assets cannot be reached. */
export class StorageAccountUnknown extends Error {
  readonly code = 'StorageAccountUnknown';
  constructor(name: string) {
    super(`no credentials are known for the storage account '${name}'`);
    this.name = 'StorageAccountUnknown';
  }
}

/** The storage accounts that the engine has credentials for, each with one client for as long as it is known. */
export class StorageAccounts {
  readonly systemName: string;
  readonly #read: StorageAccountsDeps['read'];
  readonly #publicEndpoint: string | undefined;
  readonly #accounts = new Map<string, OpenAccount>();

  private constructor({ system, read, publicEndpoint }: StorageAccountsDeps) {
    const client = BlobServiceClient.fromConnectionString(system);
    this.systemName = client.accountName;
    this.#read = read;
    this.#publicEndpoint = publicEndpoint;
    this.#accounts.set(keyOf(this.systemName), OpenAccount.ofConnectionString(system));
  }

  /** Of the engine's own account alone. */
  static ofSystem(connectionString: string, publicEndpoint?: string): StorageAccounts {
    return new StorageAccounts({ system: connectionString, publicEndpoint });
  }

  static async open(deps: StorageAccountsDeps): Promise<StorageAccounts> {
    const accounts = new StorageAccounts(deps);
    await accounts.refresh();
    return accounts;
  }

  /** Reads names and keys again. Clients that are in use sign with the new keys from their next call on. */
  async refresh(): Promise<void> {
    for (const keys of (await this.#read?.()) ?? []) {
      const known = this.#accounts.get(keyOf(keys.name));
      if (known?.take(keys) !== true) this.#accounts.set(keyOf(keys.name), OpenAccount.ofKeys(keys));
    }
  }

  /** Whether the account is known and answers to its keys; the settings are read again where it is not. */
  async canReach(name: string, signal: AbortSignal): Promise<boolean> {
    if (!this.has(name)) await this.refresh();
    if (!this.has(name)) return false;
    try {
      await this.service(name, 'once').getProperties({
        abortSignal: AbortSignal.any([signal, AbortSignal.timeout(REACH_MS_MAX)]),
      });
      return true;
    } catch {
      return false;
    }
  }

  has(name: string): boolean {
    return this.#accounts.has(keyOf(name));
  }

  /** Key 1 and key 2; the first twice where there is one. None for an account that is opened without keys. */
  credentials(name: string): readonly StorageSharedKeyCredential[] {
    return this.#get(name).credentials();
  }

  service(name: string | undefined, calls: StorageCalls = 'retried'): BlobServiceClient {
    return this.#get(name ?? this.systemName).services[calls];
  }

  /** Throws `StorageAccountUnknown`. */
  container(place: ContainerPlace | string, calls: StorageCalls = 'retried'): ContainerClient {
    const { storageAccountName, container } = typeof place === 'string' ? parseContainerRef(place) : place;
    return this.service(storageAccountName, calls).getContainerClient(container);
  }

  /** A container's address for those who are given a SAS of it. */
  publicUrl({ storageAccountName = this.systemName, container }: ContainerPlace): string {
    const isOwn = keyOf(storageAccountName) === keyOf(this.systemName);
    if (isOwn && this.#publicEndpoint !== undefined) {
      return `${withoutSlash(this.#publicEndpoint)}/${encodeURIComponent(container)}`;
    }
    return this.container({ storageAccountName, container }).url;
  }

  #get(name: string): OpenAccount {
    const account = this.#accounts.get(keyOf(name));
    if (account === undefined) throw new StorageAccountUnknown(name);
    return account;
  }
}

class OpenAccount {
  readonly services: Readonly<Record<StorageCalls, BlobServiceClient>>;
  readonly #name: string;
  readonly #endpoint: string;
  /** What the clients sign with. */
  readonly #signing: StorageSharedKeyCredential | undefined;
  #keys: readonly string[];

  private constructor(
    services: OpenAccount['services'],
    keys: readonly string[],
    signing: StorageSharedKeyCredential | undefined,
  ) {
    this.services = services;
    this.#name = services.retried.accountName;
    this.#endpoint = services.retried.url;
    this.#keys = keys;
    this.#signing = signing;
  }

  static ofKeys({ name, blobEndpoint, key1, key2 }: StorageAccountKeys): OpenAccount {
    const signing = new StorageSharedKeyCredential(name, key1);
    const service = (calls: StorageCalls) => new BlobServiceClient(blobEndpoint, signing, PIPELINES[calls]);
    const services = { retried: service('retried'), once: service('once') };
    return new OpenAccount(services, [key1, key2 ?? key1], signing);
  }

  static ofConnectionString(text: string): OpenAccount {
    const service = (calls: StorageCalls) => BlobServiceClient.fromConnectionString(text, PIPELINES[calls]);
    const { accountName: name, url, credential } = service('retried');
    // One with a SAS has no key, and can make no further SAS.
    if (!(credential instanceof StorageSharedKeyCredential)) {
      return new OpenAccount({ retried: service('retried'), once: service('once') }, [], undefined);
    }
    return OpenAccount.ofKeys({ name, blobEndpoint: url, key1: keyBytesOf(credential).toString('base64') });
  }

  /** False: this is another place than the clients were made for. */
  take({ blobEndpoint, key1, key2 }: StorageAccountKeys): boolean {
    const signing = this.#signing && keyBytesOf(this.#signing);
    const bytes = Buffer.from(key1, 'base64');
    const isSamePlace = withoutSlash(blobEndpoint) === withoutSlash(this.#endpoint);
    if (!isSamePlace || signing?.byteLength !== bytes.byteLength) return false;
    bytes.copy(signing);
    this.#keys = [key1, key2 ?? key1];
    return true;
  }

  credentials(): readonly StorageSharedKeyCredential[] {
    return this.#keys.map((key) => new StorageSharedKeyCredential(this.#name, key));
  }
}

/**
 * The bytes that the client signs each request with: they are changed in place, because recorders hold their clients
 * for days and an account's keys are rotated meanwhile. The SDK offers no way to; a test with Azurite holds it to this.
 */
function keyBytesOf(credential: StorageSharedKeyCredential): Buffer {
  const bytes: unknown = Reflect.get(credential, 'accountKey');
  if (Buffer.isBuffer(bytes)) return bytes;
  throw new Error('the storage client keeps its key elsewhere than expected');
}

const withoutSlash = (url: string): string => url.replace(/\/$/, '');

/** Names of storage accounts are lower-case; ARM ids may spell them otherwise. */
const keyOf = (name: string): string => name.toLowerCase();
