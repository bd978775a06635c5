import type { KeyProviderSettings } from '../../domain/protection.ts';
import type { KeyProvider } from '../../workflows/key-provider.ts';
import type { SecretStore } from '../../workflows/secret-store.ts';
import { cpixKeys } from './cpix-keys.ts';
import { ownKeys } from './own-keys.ts';

/** The provider that a profile names. */
export const keyProviders =
  (stores: { secrets: Pick<SecretStore, 'get'> }) =>
  (settings: KeyProviderSettings): KeyProvider =>
    settings.kind === 'own' ? ownKeys : cpixKeys(settings, stores);
