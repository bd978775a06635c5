import { z } from 'zod';
import { StorageAccounts } from '../store/storage-accounts.ts';
import type { EngineConfig } from './config.ts';
import { followFile } from './follow-file.ts';
import type { Log } from './log.ts';
import { readSettingsFile } from './settings-file.ts';

/** Reference §1.2: at most 100 in one media services account; here, of all together. */
const STORAGE_ACCOUNTS_MAX = 500;
/** Of Azure they have 88. */
const KEY_CHARS_MAX = 200;

const key = z.base64().min(1).max(KEY_CHARS_MAX);

const StorageAccountsFile = z.object({
  storageAccounts: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9]{3,24}$/),
        blobEndpoint: z.url({ protocol: /^https?$/ }).max(500),
        key1: key,
        key2: key.nullish().transform((value) => value ?? undefined),
      }),
    )
    .max(STORAGE_ACCOUNTS_MAX),
});

/**
 * The storage accounts of the settings. `HEADEND_STORAGE_ACCOUNTS` names a file
 * `{"storageAccounts":[{"name","blobEndpoint","key1","key2"}]}`, which is read again when it has changed; the engine's
 * own account may be in it too, for its second key. Throws `InvalidConfig`.
 */
export async function openStorageAccounts(config: EngineConfig, log: Log): Promise<StorageAccounts> {
  const { storage, storageAccountsFile: path, publicBlobEndpoint: publicEndpoint } = config;
  const system = storage.reveal();
  if (path === undefined) return StorageAccounts.ofSystem(system, publicEndpoint);
  const read = async () =>
    (await readSettingsFile('HEADEND_STORAGE_ACCOUNTS', path, StorageAccountsFile)).storageAccounts;
  const accounts = await StorageAccounts.open({ system, read, publicEndpoint });
  followFile(path, () => accounts.refresh(), log);
  return accounts;
}
