import { z } from 'zod';
import type { KeyDirectory, KeyLocator } from '../keys/key-ports.ts';
import { AccountRecord } from '../resources/account.ts';
import { parseSecretOptions } from '../resources/content-key-policy.ts';
import {
  contentKeyKey,
  contentKeyPolicySecretsKey,
  ENGINE_PARTITION,
  registeredAccountKey,
  streamingLocatorKey,
} from '../resources/row-keys.ts';
import { StreamingLocatorRecord } from '../resources/streaming-locator.ts';
import type { HeadendTable } from './headend-table.ts';

/** Of the locators that share a key, the newest so many are looked at. */
const LOCATORS_READ_MAX = 100;
const KEY_BYTES = 16;

const SealedKey = z.object({ sealed: z.string(), locators: z.array(z.string()) });
const SealedPolicy = z.object({ sealed: z.string() });

export interface KeyDeliveryTableDeps {
  readonly table: HeadendTable;
  /** Opens what was sealed for an account; the identity is the key of its row. */
  readonly open: (account: string, envelope: string, identity: string) => string;
}

/** Reads what key delivery needs of the control plane's rows. */
export function createKeyDirectory({ table, open }: KeyDeliveryTableDeps): KeyDirectory {
  const accounts = table.inPartition(ENGINE_PARTITION);
  return {
    async findAccount(account) {
      const row = await accounts.find(registeredAccountKey(account));
      if (row === undefined) return undefined;
      const { isDeleting, isReady, keyDelivery } = AccountRecord.parse(row.body);
      return isDeleting || !isReady ? undefined : keyDelivery;
    },
    async findContentKey(account, keyId) {
      const ofAccount = table.inPartition(account);
      const rowKey = contentKeyKey(keyId);
      const row = await ofAccount.find(rowKey);
      if (row === undefined) return undefined;
      const { sealed, locators: names } = SealedKey.parse(row.body);
      const locators = await locatorsOf(ofAccount, names.slice(-LOCATORS_READ_MAX), keyId);
      if (locators.length === 0) return undefined;
      const value = Buffer.from(open(account, sealed, rowKey), 'base64');
      if (value.byteLength !== KEY_BYTES)
        throw new Error(`the content key ${keyId} has not ${KEY_BYTES} bytes`);
      return { id: keyId, value, locators };
    },
    async findPolicy(account, name) {
      const rowKey = contentKeyPolicySecretsKey(name);
      const row = await table.inPartition(account).find(rowKey);
      if (row === undefined) return undefined;
      return {
        name,
        options: parseSecretOptions(open(account, SealedPolicy.parse(row.body).sealed, rowKey)),
      };
    },
  };
}

async function locatorsOf(
  table: HeadendTable,
  names: readonly string[],
  keyId: string,
): Promise<readonly KeyLocator[]> {
  const rows = await Promise.all(names.map((name) => table.find(streamingLocatorKey(name))));
  return rows.flatMap((row) => {
    if (row === undefined) return [];
    const { startTime, endTime, contentKeys } = StreamingLocatorRecord.parse(row.body);
    const key = contentKeys.find(({ id }) => id.toLowerCase() === keyId);
    if (key === undefined) return [];
    return [
      {
        startTimeMs: startTime === undefined ? undefined : Date.parse(startTime),
        endTimeMs: Date.parse(endTime),
        policyName: key.policyName,
      },
    ];
  });
}
