import { createHash } from 'node:crypto';
import type { VideoSettings } from '../domain/video.ts';
import type { SecretStore } from './secret-store.ts';

const MARK_LENGTH = 16;

const secretOf = (videoId: string): string => `source-address-${videoId}`;

/** A source's address without its query string, which may sign it; what stands in tables and answers. */
export function shownSettings(settings: VideoSettings): {
  readonly settings: VideoSettings;
  /** The whole address, a secret; null: it has no query string. */
  readonly address: string | null;
} {
  const { source } = settings;
  if (!('url' in source)) return { settings, address: null };
  const url = new URL(source.url);
  if (url.search === '' && url.username === '' && url.password === '') return { settings, address: null };
  const shown = `${url.origin}${url.pathname}`;
  return { settings: { ...settings, source: { url: shown } }, address: source.url };
}

/** Tells addresses apart without showing them: of the id as well, so that equal ones of two videos are not. */
export const markOf = (address: string | null, videoId: string): string | null =>
  address === null
    ? null
    : createHash('sha256').update(`${videoId}:${address}`).digest('hex').slice(0, MARK_LENGTH);

export async function keepAddress(
  address: string | null,
  videoId: string,
  secrets: SecretStore,
): Promise<void> {
  if (address !== null) await secrets.put(secretOf(videoId), address);
}

export const findAddress = (videoId: string, secrets: SecretStore): Promise<string | undefined> =>
  secrets.get(secretOf(videoId));

export const forgetAddress = (videoId: string, secrets: SecretStore): Promise<void> =>
  secrets.remove(secretOf(videoId));
