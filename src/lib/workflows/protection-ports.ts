import type { ProtectionProfile } from '../domain/protection.ts';
import type { Page, Stored } from './stores.ts';

/** Profiles that were made by users; built-in ones are not stored. */
export interface ProfileStore {
  find(name: string): Promise<Stored<ProtectionProfile> | undefined>;
  /** Writes when the stored one is still the one of `etag` (undefined: when there is none); undefined: it is not. */
  save(profile: ProtectionProfile, etag: string | undefined): Promise<string | undefined>;
  remove(name: string, etag: string): Promise<boolean>;
  page(options: { after: string | undefined; sizeMax: number }): Promise<Page<ProtectionProfile>>;
}

/** Who may use a profile: written before a program or video is, so it may name one that does not use it after all. */
export type ProfileUser = { readonly channel: string; readonly program: string } | { readonly video: string };

export interface ProfileUsers {
  add(profile: string, user: ProfileUser): Promise<void>;
  remove(profile: string, user: ProfileUser): Promise<void>;
  list(profile: string): Promise<readonly ProfileUser[]>;
}
