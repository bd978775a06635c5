import { randomUUID } from 'node:crypto';
import { type BlockBlobClient, RestError } from '@azure/storage-blob';
import { z } from 'zod';
import type { BlobClaim, HeldElsewhere } from '../worker/job-blobs.ts';
import { statusOf } from './storage-attempts.ts';
import { patiently } from './storage-patience.ts';

const CALL_MS_MAX = 15_000;
/** Storage tells when a blob was written in whole seconds. */
const CLOCK_MS = 1000;

/** Metadata of the blob: storage keeps names in lower case. What says nothing of the kind is anybody's. */
const Claimant = z
  .object({ claimant: z.string(), leasems: z.coerce.number().positive() })
  .catch({ claimant: '', leasems: 0 });

/**
 * Claims an empty blob, whose metadata says by whom and for how long since it was written last. Changes are conditional on
 * its version, and time is the storage's alone, so clocks of workers do not matter. (Leases of blobs last 15 s at least.)
 */
export async function claimBlob(
  blob: BlockBlobClient,
  { leaseMs, signal }: { readonly leaseMs: number; readonly signal: AbortSignal },
): Promise<BlobClaim | HeldElsewhere> {
  const claimant = randomUUID();
  return patiently(signal, CALL_MS_MAX, async (abortSignal) => {
    const found = await look(blob, abortSignal);
    if (found !== undefined && found.claimant !== claimant && found.leftMs > 0) {
      return { kind: 'held', forMs: found.leftMs };
    }
    const version = await write(blob, { claimant, leaseMs, version: found?.version, abortSignal });
    // Somebody was faster, and has it for that long.
    if (version === undefined) return { kind: 'held', forMs: leaseMs };
    return claimed(blob, { claimant, leaseMs, version });
  });
}

interface Claim {
  readonly claimant: string;
  readonly leaseMs: number;
  version: string;
}

function claimed(blob: BlockBlobClient, claim: Claim): BlobClaim {
  const renew = async (): Promise<boolean> => {
    const abortSignal = AbortSignal.timeout(CALL_MS_MAX);
    const version = await write(blob, { ...claim, abortSignal });
    if (version !== undefined) {
      claim.version = version;
      return true;
    }
    // An earlier renewal may have been written although its answer was lost.
    const found = await look(blob, abortSignal);
    if (found?.claimant !== claim.claimant) return false;
    claim.version = found.version;
    return true;
  };
  return {
    kind: 'claimed',
    // Storage that is away takes no work from anybody.
    renew: () => renew().catch((error: unknown) => !isRefusal(error)),
    async release() {
      const conditions = { ifMatch: claim.version };
      await blob.delete({ conditions, abortSignal: AbortSignal.timeout(CALL_MS_MAX) }).catch(() => undefined);
    },
  };
}

interface Found {
  readonly claimant: string;
  readonly version: string;
  /** Until it is anybody's; not above 0 when it is. */
  readonly leftMs: number;
}

async function look(blob: BlockBlobClient, abortSignal: AbortSignal): Promise<Found | undefined> {
  try {
    const { date, etag, lastModified, metadata } = await blob.getProperties({ abortSignal });
    if (date === undefined || etag === undefined || lastModified === undefined) {
      throw new Error('storage does not say when a claim was made');
    }
    const { claimant, leasems } = Claimant.parse(metadata);
    const leftMs = leasems + CLOCK_MS - (date.getTime() - lastModified.getTime());
    return { claimant, version: etag, leftMs };
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** The new version; undefined: it is not the one that was found any more. */
async function write(
  blob: BlockBlobClient,
  {
    claimant,
    leaseMs,
    version,
    abortSignal,
  }: Omit<Claim, 'version'> & { readonly version: string | undefined; readonly abortSignal: AbortSignal },
): Promise<string | undefined> {
  try {
    const { etag } = await blob.upload('', 0, {
      abortSignal,
      metadata: { claimant, leasems: String(leaseMs) },
      conditions: version === undefined ? { ifNoneMatch: '*' } : { ifMatch: version },
    });
    if (etag === undefined) throw new Error('storage does not say which version a claim has');
    return etag;
  } catch (error) {
    const status = statusOf(error);
    if (status === 404 || status === 409 || status === 412) return undefined;
    throw error;
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof RestError && error.statusCode !== undefined && error.statusCode < 500;
