import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { StorageAccounts } from '../store/storage-accounts.ts';
import { type EngineConfig, InvalidConfig } from './config.ts';
import type { Log } from './log.ts';

/** Reference §1.2: at most so many in one media services account; here, of all together. */
const STORAGE_ACCOUNTS_MAX = 500;
const FILE_CHARS_MAX = 1024 * 1024;
/** Keys are rotated while the engine runs. */
const LOOK_EVERY_MS = 5_000;

/** Of Azure: 64 bytes. */
const key = z.base64().max(200);

const StorageAccountsFile = z.object({
  storageAccounts: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9]{3,24}$/, 'a storage account name is expected'),
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
  const { storage, storageAccountsFile: path } = config;
  const system = storage.reveal();
  if (path === undefined) return StorageAccounts.ofSystem(system);
  const accounts = await StorageAccounts.open({ system, read: () => readAccounts(path) });
  followFile(path, () => accounts.refresh(), log);
  return accounts;
}

async function readAccounts(path: string) {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw invalid(`cannot read the file (${String(Reflect.get(Object(error), 'code'))})`);
  });
  if (text.length > FILE_CHARS_MAX) throw invalid(`the file has more than ${FILE_CHARS_MAX} characters`);
  const parsed = StorageAccountsFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data.storageAccounts;
  // Where it is wrong, never what stands there: it may be a key.
  const places = parsed.error.issues.map(({ path: at, code }) => `${at.join('.')} (${code})`);
  throw invalid(`not as expected at ${places.join(', ')}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('the file is not JSON');
  }
}

const invalid = (reason: string): InvalidConfig => new InvalidConfig([`HEADEND_STORAGE_ACCOUNTS: ${reason}`]);

/** A file that has become unreadable is reported once; what was known goes on being used. */
function followFile(path: string, refresh: () => Promise<void>, log: Log): void {
  let seen = '';
  const look = async (): Promise<void> => {
    const { mtimeMs, size, ino } = await stat(path);
    const now = `${mtimeMs}!${size}!${ino}`;
    if (now === seen) return;
    const isFirst = seen === '';
    seen = now;
    await refresh();
    if (!isFirst) log.info('storageAccounts.read', {});
  };
  setInterval(() => {
    look().catch((error: unknown) => log.warn('storageAccounts.notRead', { error }));
  }, LOOK_EVERY_MS).unref();
}
