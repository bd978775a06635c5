import type { KeyServiceBody } from '../contracts/key-service-body.ts';
import { Problem } from '../domain/errors.ts';
import type { CpixKeyService } from '../domain/key-service.ts';
import { type KeyProviderSettings, OWN_KEYS } from '../domain/protection.ts';
import { storeEncryption } from './key-service-encryption.ts';
import type { SecretStore } from './secret-store.ts';
import { removeSecrets } from './token-keys.ts';

const HINT_LENGTH = 8;

interface Stored {
  readonly before: KeyProviderSettings | undefined;
  readonly secrets: SecretStore;
  readonly random: { guid(): string };
}

export function keyServiceSecretsOf(settings: KeyProviderSettings): readonly string[] {
  if (settings.kind !== 'cpix') return [];
  return [settings.authorization, settings.encryption].flatMap((one) => (one ? [one.secret] : []));
}

/**
 * Where content keys come from, as it is stored: what a key service is told, and what its answers are read with, goes to
 * the secret store, under names that were never used. The same value again stays under its name, so that the same body
 * twice is one resource.
 */
export async function storeKeyProvider(
  wanted: KeyServiceBody | 'own',
  stored: Stored,
): Promise<{ readonly keyProvider: KeyProviderSettings; readonly written: readonly string[] }> {
  if (wanted === 'own') return { keyProvider: OWN_KEYS, written: [] };
  const { url, contentIdPrefix } = wanted;
  const before = stored.before?.kind === 'cpix' ? stored.before.encryption : undefined;
  // First, since nothing of it is written when it is refused.
  const { encryption, written } =
    wanted.encryption === null
      ? { encryption: undefined, written: [] }
      : await storeEncryption(wanted.encryption, { ...stored, before });
  try {
    const told = await storeAuthorization(wanted, stored);
    const { authorization } = told;
    const recipient = encryption === undefined ? {} : { encryption };
    const keyProvider = { kind: 'cpix', url, contentIdPrefix, authorization, ...recipient } as const;
    return { keyProvider, written: [...written, ...told.written] };
  } catch (error) {
    await removeSecrets(written, stored.secrets);
    throw error;
  }
}

async function storeAuthorization(
  wanted: KeyServiceBody,
  stored: Stored,
): Promise<{
  readonly authorization: CpixKeyService['authorization'];
  readonly written: readonly string[];
}> {
  const { authorization } = wanted;
  if (authorization === null) return { authorization, written: [] };
  const { header } = authorization;
  const kept = await keptSecret(wanted, stored);
  if (kept !== undefined) return { authorization: { ...kept, header }, written: [] };
  if ('hint' in authorization) throw unknownHint();
  const guid = stored.random.guid();
  const secret = `key-service-${guid}`;
  await stored.secrets.put(secret, authorization.value);
  return { authorization: { header, secret, hint: guid.slice(0, HINT_LENGTH) }, written: [secret] };
}

async function keptSecret(
  { url, authorization }: KeyServiceBody,
  { before, secrets }: Stored,
): Promise<NonNullable<CpixKeyService['authorization']> | undefined> {
  if (authorization === null || before?.kind !== 'cpix' || before.authorization === null) return undefined;
  if ('value' in authorization) {
    const known = await secrets.get(before.authorization.secret);
    return known === authorization.value ? before.authorization : undefined;
  }
  // A secret that was given for one server is not for another.
  if (new URL(url).origin !== new URL(before.url).origin) return undefined;
  return authorization.hint === before.authorization.hint ? before.authorization : undefined;
}

const unknownHint = () =>
  new Problem('invalidBody', {
    detail: 'Some fields are not what they should be.',
    errors: [
      {
        pointer: '/keyProvider/authorization',
        message: 'there is no stored value with this hint for this server: give it',
      },
    ],
  });
