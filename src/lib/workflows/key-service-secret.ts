import type { KeyServiceBody } from '../contracts/key-service-body.ts';
import { Problem } from '../domain/errors.ts';
import type { CpixKeyService } from '../domain/key-service.ts';
import { type KeyProviderSettings, OWN_KEYS } from '../domain/protection.ts';
import type { SecretStore } from './secret-store.ts';

const HINT_LENGTH = 8;

interface Stored {
  readonly before: KeyProviderSettings | undefined;
  readonly secrets: SecretStore;
  readonly random: { guid(): string };
}

export const keyServiceSecretsOf = (settings: KeyProviderSettings): readonly string[] =>
  settings.kind === 'cpix' && settings.authorization !== null ? [settings.authorization.secret] : [];

/**
 * Where content keys come from, as it is stored: what a key service is told goes to the secret store, under a name that
 * was never used. The same value again stays under its name, so that the same body twice is one resource.
 */
export async function storeKeyProvider(
  wanted: KeyServiceBody | 'own',
  stored: Stored,
): Promise<{ readonly keyProvider: KeyProviderSettings; readonly written: readonly string[] }> {
  if (wanted === 'own') return { keyProvider: OWN_KEYS, written: [] };
  const { url, contentIdPrefix, authorization } = wanted;
  const service = { kind: 'cpix', url, contentIdPrefix } as const;
  if (authorization === null) return { keyProvider: { ...service, authorization }, written: [] };
  const { header } = authorization;
  const kept = await keptSecret(wanted, stored);
  if (kept !== undefined)
    return { keyProvider: { ...service, authorization: { ...kept, header } }, written: [] };
  if ('hint' in authorization) throw unknownHint();
  const guid = stored.random.guid();
  const secret = `key-service-${guid}`;
  await stored.secrets.put(secret, authorization.value);
  const hint = guid.slice(0, HINT_LENGTH);
  return { keyProvider: { ...service, authorization: { header, secret, hint } }, written: [secret] };
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
