import { z } from 'zod';
import { masterKeyCheckKey, prefixes } from '../resources/row-keys.ts';
import type { ControlStore, StoredRow } from './control-store.ts';

/** Seals secrets for one account; the identity is the key of the row that holds them. */
export interface SecretSealer {
  seal(secret: string, identity: string): string;
  /** Throws when it was not sealed for this row, or its master key is not known. */
  open(envelope: string, identity: string): string;
  isCurrent(envelope: string): boolean;
  /** Whether there are keys that only open. */
  readonly hasOlderKeys: boolean;
}

const SealedRow = z.looseObject({ sealed: z.string() });
/** Plans of jobs have secrets or not. */
const MaySealRow = z.looseObject({ sealed: z.string().optional() });
const CHECKED = 'the master keys belong to this storage';
const PAGE_SIZE = 100;

export interface SealedSecretsDeps {
  readonly store: ControlStore;
  readonly sealer: SecretSealer;
}

/** The secrets of this storage were sealed with master keys that are not in the file. */
export class WrongMasterKeys extends Error {
  readonly code = 'WrongMasterKeys';
  constructor(options: ErrorOptions) {
    super(
      'HEADEND_MASTER_KEY_FILE holds none of the keys that the secrets in this storage were sealed with',
      options,
    );
    this.name = 'WrongMasterKeys';
  }
}

/**
 * A storage and its master keys belong together: the first start writes a row that only they open, every other start
 * opens it. Throws `WrongMasterKeys`, before anything can be sealed with a key that the next start does not have.
 */
export async function checkMasterKeys({ store, sealer }: SealedSecretsDeps): Promise<void> {
  const fresh = { sealed: sealer.seal(CHECKED, masterKeyCheckKey) };
  await store.commit([{ kind: 'create', rowKey: masterKeyCheckKey, body: fresh }]);
  const row = await store.find(masterKeyCheckKey);
  try {
    if (row !== undefined) sealer.open(SealedRow.parse(row.body).sealed, masterKeyCheckKey);
  } catch (cause) {
    throw new WrongMasterKeys({ cause });
  }
}

/**
 * Seals with the current key what older ones have sealed; answers how many rows that were. At 0, and once no process
 * runs that has them in another order, the older keys may leave the file. A row that is changed meanwhile is sealed by
 * that change.
 */
export async function resealSecrets({ store, sealer }: SealedSecretsDeps): Promise<number> {
  let count = 0;
  for (const prefix of [prefixes.contentKeys, prefixes.contentKeyPolicySecrets, prefixes.jobPlans]) {
    let after: string | undefined;
    do {
      const rows = await store.list(prefix, {
        limit: PAGE_SIZE,
        ...(after === undefined ? {} : { after }),
      });
      for (const row of rows) count += await reseal({ store, sealer }, row);
      after = rows.length < PAGE_SIZE ? undefined : rows.at(-1)?.rowKey;
    } while (after !== undefined);
  }
  const check = await store.find(masterKeyCheckKey);
  if (check !== undefined) count += await reseal({ store, sealer }, check);
  return count;
}

async function reseal({ store, sealer }: SealedSecretsDeps, row: StoredRow): Promise<0 | 1> {
  const body = MaySealRow.parse(row.body);
  if (body.sealed === undefined || sealer.isCurrent(body.sealed)) return 0;
  const sealed = sealer.seal(sealer.open(body.sealed, row.rowKey), row.rowKey);
  const result = await store.commit([
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: { ...body, sealed } },
  ]);
  return result === 'committed' ? 1 : 0;
}
