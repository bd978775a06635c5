import { Problem } from '../domain/errors.ts';
import { playbackAddresses } from '../domain/playback-forms.ts';
import type { Program } from '../domain/program.ts';
import type { ProtectionProfile } from '../domain/protection.ts';
import { rewritePlaylist } from '../domain/rewrite-playlist.ts';
import { canCheckTokens, isTokenGood, type TokenSigner } from './playback-tokens.ts';
import type { SecretStore } from './secret-store.ts';
import type { Clock } from './stores.ts';

const CHILD_CHARS_MAX = 1024;
/** RFC 8216bis §6.2.5: what a player asks a low-latency playlist by. */
const DELIVERY_DIRECTIVES = ['_HLS_msn', '_HLS_part', '_HLS_skip'] as const;
const MAX_AGE_SECONDS_MAX = 30;

export type PlaylistReading =
  | { readonly kind: 'playlist'; readonly text: string; readonly maxAgeSeconds: number }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'unreadable' };

export interface NativePlaylistDependencies {
  readonly secrets: SecretStore;
  readonly signer: TokenSigner;
  readonly clock: Clock;
  readonly readPlaylist: (url: string) => Promise<PlaylistReading>;
  readonly streamingBaseUrl: string;
  readonly keyDeliveryBaseUrl: string;
}

export interface NativePlaylistRequest {
  readonly token: string;
  /** Of a child playlist: its address relative to the presentation's folder; undefined: the multivariant playlist. */
  readonly child: string | undefined;
  /** Query parameters of the request. */
  readonly query: ReadonlyMap<string, string>;
  /** This function's own address without a query. */
  readonly selfUrl: string;
}

type NativeMedia = Pick<Program, 'locatorId' | 'manifestName' | 'contentKeys'>;

export const presentationUrl = (
  { locatorId, manifestName }: Pick<Program, 'locatorId' | 'manifestName'>,
  streamingBaseUrl: string,
): string => `${streamingBaseUrl}/${locatorId}/${manifestName}.ism/`;

/** Whether native players play it with a token: AES-128 is what they ask keys for themselves. */
export const isForNativePlayers = ({ keys, delivery }: ProtectionProfile): boolean =>
  delivery.hls === 'aes128' && keys.access === 'token' && canCheckTokens(keys);

/**
 * A playlist of a program or video whose keys a player can get without sending a header. The token is checked before anything is
 * read; only playlists of this presentation are, from our own origin.
 */
export async function nativePlaylist(
  { profile, media }: { profile: ProtectionProfile; media: NativeMedia },
  request: NativePlaylistRequest,
  deps: NativePlaylistDependencies,
): Promise<{ text: string; maxAgeSeconds: number }> {
  if (!isForNativePlayers(profile) || !(await isTokenGood(request.token, { profile, media }, deps)))
    throw new Problem('playbackTokenInvalid', { detail: 'The token is not good for this.' });
  const folder = presentationUrl(media, deps.streamingBaseUrl);
  const url = addressOf(request, { folder, profile });
  const reading = await deps.readPlaylist(url.href);
  if (reading.kind !== 'playlist') throw unreadable(reading);
  const text = rewritePlaylist(reading.text, {
    playlistUrl: `${url.origin}${url.pathname}`,
    childAddress: (child) =>
      child.startsWith(folder)
        ? `${request.selfUrl}?${new URLSearchParams({ playlist: child.slice(folder.length), token: request.token })}`
        : child,
    isKeyAddress: (key) => isOurKey(key, { profile, deps }),
    token: request.token,
  });
  return { text, maxAgeSeconds: Math.min(reading.maxAgeSeconds, MAX_AGE_SECONDS_MAX) };
}

function addressOf(
  { child, query }: NativePlaylistRequest,
  { folder, profile }: { folder: string; profile: ProtectionProfile },
): URL {
  const multivariant = playbackAddresses(`${folder}manifest`, profile.delivery).hls ?? '';
  const url = new URL(child === undefined ? multivariant : checkedChild(child, folder));
  for (const directive of DELIVERY_DIRECTIVES) {
    const value = query.get(directive);
    if (value !== undefined) url.searchParams.set(directive, value);
  }
  return url;
}

/** A playlist below the presentation's folder, whatever the text tries to be: another host, a way up, a segment. */
function checkedChild(child: string, folder: string): string {
  const path = /^QualityLevels\([0-9]{1,12}\)\/Manifest\([^/?#\\]{1,500}\)(?:\.m3u8)?$/i;
  const url = URL.canParse(child, folder) ? new URL(child, folder) : undefined;
  const isPlaylist = child.length <= CHILD_CHARS_MAX && path.test(decoded(child));
  if (url === undefined || !isPlaylist || !url.href.startsWith(folder))
    throw new Problem('invalidParameter', { detail: '?playlist: not a playlist of this presentation' });
  return url.href;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function isOurKey(
  key: string,
  {
    profile,
    deps,
  }: { profile: ProtectionProfile; deps: Pick<NativePlaylistDependencies, 'keyDeliveryBaseUrl'> },
): boolean {
  const { keyUrl } = profile.delivery;
  if (keyUrl === null) return key.startsWith(`${deps.keyDeliveryBaseUrl}/`);
  // The owner of the profile named that server: its tokens are for it.
  return new URL(key).origin === new URL(keyUrl.replace(/\{[^}]*\}/g, 'x')).origin;
}

function unreadable(reading: Exclude<PlaylistReading, { kind: 'playlist' }>): Problem {
  if (reading.kind === 'refused' && reading.status === 404)
    return new Problem('playlistNotFound', {
      detail: 'The origin has no such playlist: is it published?',
    });
  return new Problem('originUnavailable', { detail: 'The origin does not answer as it should.' });
}
