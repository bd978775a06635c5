import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlockBlobClient } from '@azure/storage-blob';
import type { Ownership, OwnershipStore } from '../live/live-fragment.ts';
import { parseLiveEventId } from '../resources/live-event-id.ts';
import type { StorageAccounts } from './storage-accounts.ts';
import { isPassing, type StoreLog, statusOf } from './storage-attempts.ts';

export interface OwnershipStoreDeps {
  readonly accounts: StorageAccounts;
  readonly clock: { now(): number };
  readonly log: StoreLog;
  readonly limits?: Partial<OwnershipLimits>;
}

export interface OwnershipLimits {
  /** 15 to 60, as the service has it. */
  readonly leaseSeconds: number;
  readonly renewMs: number;
  /** Without an answer from storage for this long the live event counts as lost. */
  readonly silenceMs: number;
}

/** Two processes wanted the live event again and again, or storage was away all the time. */
export class OwnershipContested extends Error {
  readonly code = 'OwnershipContested';
  constructor(liveEventId: string, options?: ErrorOptions) {
    super(`${liveEventId}: not acquired in ${ATTEMPTS_MAX} attempts`, options);
    this.name = 'OwnershipContested';
  }
}

/**
 * `silenceMs` is much longer than the lease: while storage is away nobody can take over either, and a recording goes on
 * after an outage of minutes. What keeps a process that is cut off from committing is the append position (decision 1).
 */
const LIMITS: OwnershipLimits = { leaseSeconds: 30, renewMs: 10_000, silenceMs: 600_000 };
const SYSTEM_CONTAINER = 'headend-system';
const ATTEMPTS_MAX = 12;
const PAUSE_MS_MIN = 25;
const PAUSE_MS_MAX = 2000;
const CALL_TIMEOUT_MS = 10_000;
const RECORD_BYTES_MAX = 4096;

interface OwnershipRecord {
  readonly epoch: number;
  /** Empty: nobody has it. */
  readonly address: string;
  readonly startedAt: number;
}

/** Ownership records of live events: an epoch under a blob lease. `acquire` throws `OwnershipContested`. */
export function createOwnershipStore(deps: OwnershipStoreDeps): OwnershipStore {
  const container = deps.accounts.container({ container: SYSTEM_CONTAINER }, 'once');
  const limits = { ...LIMITS, ...deps.limits };
  return {
    async acquire(liveEventId, address): Promise<Ownership> {
      const id = liveEventId.toLowerCase();
      const blob = container.getBlockBlobClient(`ownership/${id}`);
      const earlier = container.getBlockBlobClient(`ownership/${parseLiveEventId(id).name}`);
      let cause: unknown;
      for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
        try {
          await container.createIfNotExists({ abortSignal: timeout() });
          const held = await acquireOnce({ blob, earlier }, { address, startedAt: deps.clock.now() }, limits);
          return new HeldOwnership(liveEventId, blob, held, { ...deps, limits });
        } catch (error) {
          if (!isPassing(error) && !isContention(error)) throw error;
          cause = error;
        }
        // Two that break each other's lease must not do so in step.
        await sleep(Math.min(PAUSE_MS_MIN * 2 ** attempt, PAUSE_MS_MAX) * (0.5 + Math.random()));
      }
      throw new OwnershipContested(liveEventId, { cause });
    },
  };
}

interface Held {
  readonly leaseId: string;
  readonly record: OwnershipRecord;
}

async function acquireOnce(
  { blob, earlier }: { readonly blob: BlockBlobClient; readonly earlier: BlockBlobClient },
  own: Omit<OwnershipRecord, 'epoch'>,
  { leaseSeconds }: OwnershipLimits,
): Promise<Held> {
  await create(blob, earlier);
  const leaseId = randomUUID();
  const lease = blob.getBlobLeaseClient(leaseId);
  await breakLease(blob);
  await lease.acquireLease(leaseSeconds, { abortSignal: timeout() });
  const found = await readRecord(blob, leaseId);
  const record = { epoch: found.epoch + 1, ...own };
  // Under the lease: who broke it in the meantime has read the same epoch or a later one, and writes after us or alone.
  await write(blob, record, { leaseId, ...(found.etag === undefined ? {} : { ifMatch: found.etag }) });
  return { leaseId, record };
}

/**
 * `earlier` is where the record was before it was kept by account: recordings that are still open have epochs from there.
 */
async function create(blob: BlockBlobClient, earlier: BlockBlobClient): Promise<void> {
  if (await blob.exists({ abortSignal: timeout() })) return;
  const epoch = earlier.url === blob.url ? 0 : await readEpoch(earlier);
  try {
    await write(blob, { epoch, address: '', startedAt: 0 }, { ifNoneMatch: '*' });
  } catch (error) {
    if (!isContention(error)) throw error;
  }
}

async function readEpoch(blob: BlockBlobClient): Promise<number> {
  try {
    return (await readRecord(blob, undefined)).epoch;
  } catch (error) {
    if (statusOf(error) === 404) return 0;
    throw error;
  }
}

async function breakLease(blob: BlockBlobClient): Promise<void> {
  try {
    await blob.getBlobLeaseClient().breakLease(0, { abortSignal: timeout() });
  } catch (error) {
    // There is none.
    if (statusOf(error) !== 409) throw error;
  }
}

async function readRecord(
  blob: BlockBlobClient,
  leaseId: string | undefined,
): Promise<{ epoch: number; etag: string | undefined }> {
  const abortSignal = timeout();
  const held = leaseId === undefined ? {} : { leaseId };
  const { contentLength = 0, etag } = await blob.getProperties({ abortSignal, conditions: held });
  if (contentLength > RECORD_BYTES_MAX) {
    throw new RangeError(`ownership record of ${contentLength} bytes exceeds ${RECORD_BYTES_MAX}`);
  }
  const conditions = { ...held, ...(etag === undefined ? {} : { ifMatch: etag }) };
  const bytes = await blob.downloadToBuffer(0, contentLength, { abortSignal, conditions });
  const value: unknown = JSON.parse(bytes.toString('utf8'));
  const epoch: unknown = Reflect.get(Object(value), 'epoch');
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0) {
    throw new RangeError('ownership record without an epoch');
  }
  return { epoch, etag };
}

async function write(
  blob: BlockBlobClient,
  record: OwnershipRecord,
  conditions: { leaseId?: string; ifMatch?: string; ifNoneMatch?: string },
): Promise<void> {
  const text = JSON.stringify(record);
  await blob.upload(text, Buffer.byteLength(text), {
    abortSignal: timeout(),
    conditions,
    blobHTTPHeaders: { blobContentType: 'application/json' },
  });
}

class HeldOwnership implements Ownership {
  readonly epoch: number;
  readonly #liveEventId: string;
  readonly #blob: BlockBlobClient;
  readonly #held: Held;
  readonly #deps: OwnershipStoreDeps & { readonly limits: OwnershipLimits };
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #confirmedAtMs: number;
  #renewing: Promise<void> | undefined;

  constructor(
    liveEventId: string,
    blob: BlockBlobClient,
    held: Held,
    deps: OwnershipStoreDeps & { readonly limits: OwnershipLimits },
  ) {
    this.epoch = held.record.epoch;
    this.#liveEventId = liveEventId;
    this.#blob = blob;
    this.#held = held;
    this.#deps = deps;
    this.#confirmedAtMs = deps.clock.now();
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = undefined;
      });
    }, deps.limits.renewMs).unref();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (this.#lost.signal.aborted) return;
    const { leaseId, record } = this.#held;
    try {
      // Origins read a record without an address as nobody's and go to storage.
      await write(this.#blob, { ...record, address: '' }, { leaseId });
      await this.#blob.getBlobLeaseClient(leaseId).releaseLease({ abortSignal: timeout() });
    } catch (error) {
      this.#deps.log.warn('ownership.notReleased', this.#fields(error));
    }
  }

  async #renew(): Promise<void> {
    const sentAtMs = this.#deps.clock.now();
    try {
      await this.#blob.getBlobLeaseClient(this.#held.leaseId).renewLease({ abortSignal: timeout() });
      this.#confirmedAtMs = sentAtMs;
    } catch (error) {
      const isSilent = this.#deps.clock.now() - this.#confirmedAtMs >= this.#deps.limits.silenceMs;
      if (isPassing(error) && !isSilent) {
        this.#deps.log.warn('ownership.notRenewed', this.#fields(error));
        return;
      }
      clearInterval(this.#timer);
      this.#deps.log.warn('ownership.lost', this.#fields(error));
      this.#lost.abort();
    }
  }

  #fields(error: unknown): object {
    return { liveEventId: this.#liveEventId, epoch: this.epoch, error };
  }
}

/** Somebody else is at the same record. */
function isContention(error: unknown): boolean {
  const status = statusOf(error);
  return status === 409 || status === 412;
}

function timeout(): AbortSignal {
  return AbortSignal.timeout(CALL_TIMEOUT_MS);
}
