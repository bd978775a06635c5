import { randomBytes } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { hasCode, parseJson, writePrivately } from './data-folder.ts';

const SECRET_BYTES = 32;
const secretText = z.string().min(SECRET_BYTES).max(128);

const Secrets = z.object({
  /** Opens the HTTP API. */
  functionKey: secretText,
  /** Opens everything of the Functions host. */
  masterKey: secretText,
  /** Opens the host's Event Grid webhook. */
  eventGridSystemKey: secretText,
  /** Publishes to the broker, and administers it. */
  eventGridKey: secretText,
  /** The engine's token issuer: X-IDENTITY-HEADER and client secret. */
  identitySecret: secretText,
});

export type Secrets = z.infer<typeof Secrets>;

/** The secrets in the file, with those that are missing or malformed made anew; the file is for its owner only. */
export async function seedSecrets(file: string): Promise<Secrets> {
  const stored = await readStored(file);
  const keep = (name: keyof Secrets): string => {
    const parsed = secretText.safeParse(stored[name]);
    return parsed.success ? parsed.data : randomBytes(SECRET_BYTES).toString('base64url');
  };
  const secrets: Secrets = {
    functionKey: keep('functionKey'),
    masterKey: keep('masterKey'),
    eventGridSystemKey: keep('eventGridSystemKey'),
    eventGridKey: keep('eventGridKey'),
    identitySecret: keep('identitySecret'),
  };
  if (!Secrets.safeParse(stored).success) await writePrivately(file, `${JSON.stringify(secrets, null, 2)}\n`);
  return secrets;
}

/**
 * The key that the engine seals the secrets in its storage with, made once. A file that is there is left as it is,
 * whatever it holds: what was sealed with its keys is lost without them.
 */
export async function seedMasterKeys(file: string): Promise<void> {
  try {
    await access(file);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    await writePrivately(file, `${randomBytes(SECRET_BYTES).toString('base64')}\n`);
  }
}

async function readStored(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const parsed = z.record(z.string(), z.unknown()).safeParse(parseJson(await readFile(file, 'utf8')));
    return parsed.success ? parsed.data : {};
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return {};
    throw error;
  }
}
