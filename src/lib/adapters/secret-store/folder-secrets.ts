import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  checkSecretName,
  checkSecretValue,
  SECRET_BYTES_MAX,
  type SecretStore,
} from '../../workflows/secret-store.ts';

/** Secrets as files that only their owner may read, one each, replaced as a whole: for a laptop and for one machine. */
export function folderSecrets(folder: string): SecretStore {
  const fileOf = (name: string): string => join(folder, checkSecretName(name));
  return {
    async put(name, value) {
      const file = fileOf(name);
      checkSecretValue(value);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // Not a name that a secret may have.
      const temporary = join(folder, `.${randomUUID()}.tmp`);
      try {
        await writeDurably(temporary, value);
        await rename(temporary, file);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
    },
    get: (name) => readBounded(fileOf(name)),
    remove: (name) => rm(fileOf(name), { force: true }),
  };
}

async function writeDurably(file: string, value: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(value, 'utf8');
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readBounded(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT')
      return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SECRET_BYTES_MAX + 1), 0);
    if (bytesRead === 0 || bytesRead > SECRET_BYTES_MAX)
      throw new Error('a secret’s file is empty or too large');
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
