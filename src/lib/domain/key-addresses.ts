import type { Delivery, Scheme } from './protection.ts';

export interface KeyAddresses {
  readonly key: string | null;
  readonly clearKey: string | null;
  readonly playReady: string | null;
  readonly widevine: string | null;
  readonly fairPlay: string | null;
}

const NONE: KeyAddresses = { key: null, clearKey: null, playReady: null, widevine: null, fairPlay: null };

/** Where players ask for a key or a licence (reference §4.2): ours, or what the profile names instead. */
export function keyAddresses(
  { id, scheme }: { id: string; scheme: Scheme },
  { keyUrl, drm }: Delivery,
  base: string,
): KeyAddresses {
  const filled = (template: string): string => template.replaceAll(/\{ContentKeyId\}/gi, id);
  if (scheme === 'aes128') return { ...NONE, key: keyUrl === null ? `${base}/?kid=${id}` : filled(keyUrl) };
  const at = (server: { readonly licenceUrl: string | null } | null, ours: string): string | null =>
    server === null ? null : server.licenceUrl === null ? `${base}/${ours}` : filled(server.licenceUrl);
  return {
    // HLS players that know no key system ask for the key itself (KEYFORMAT `identity`).
    key: drm.clearKey?.licenceUrl === null ? `${base}/?kid=${id}` : null,
    clearKey: at(drm.clearKey, `ClearKey/?kid=${id}`),
    // Its challenge says which key is meant.
    playReady: at(drm.playReady, 'PlayReady/'),
    widevine: at(drm.widevine, `Widevine/?kid=${id}`),
    fairPlay: at(drm.fairPlay, `FairPlay/?kid=${id}`),
  };
}
