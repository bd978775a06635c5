export interface PlaylistPlaces {
  /** Absolute address that the playlist came from, without a query. */
  readonly playlistUrl: string;
  /** What a child playlist is asked by instead of its own absolute address. */
  readonly childAddress: (absoluteUrl: string) => string;
  /** Whether a key's absolute address may be told the token. */
  readonly isKeyAddress: (absoluteUrl: string) => boolean;
  readonly token: string;
}

const KEY_TAGS = ['#EXT-X-KEY:', '#EXT-X-SESSION-KEY:'] as const;
const CHILD_TAGS = ['#EXT-X-MEDIA:', '#EXT-X-I-FRAME-STREAM-INF:', '#EXT-X-RENDITION-REPORT:'] as const;
/** RFC 8216 §4.2: a quoted string has no quote in it. An attribute's name may end in URI without being it. */
const URI = /(?<=[:,])URI="([^"]*)"/;

/**
 * An HLS playlist (RFC 8216) for players that can send no header: key addresses bring the token, child playlists come
 * the same way, and everything else becomes absolute, without the token, so that all viewers share it in caches.
 */
export function rewritePlaylist(text: string, places: PlaylistPlaces): string {
  const isMultivariant = /^#EXT-X-STREAM-INF:/m.test(text);
  const plain = isMultivariant ? asChild : asMedia;
  return text
    .split('\n')
    .map((ended) => {
      const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
      const end = ended.slice(line.length);
      if (line === '') return ended;
      return `${line.startsWith('#') ? rewriteTag(line, places) : plain(line, places)}${end}`;
    })
    .join('\n');
}

function rewriteTag(line: string, places: PlaylistPlaces): string {
  if (!line.startsWith('#EXT-X-')) return line;
  const isOne = (tags: readonly string[]) => tags.some((tag) => line.startsWith(tag));
  const change = isOne(KEY_TAGS) ? asKey : isOne(CHILD_TAGS) ? asChild : asMedia;
  return line.replace(URI, (_whole, uri: string) => `URI="${change(uri, places)}"`);
}

function absolute(uri: string, { playlistUrl }: PlaylistPlaces): string | undefined {
  return URL.canParse(uri, playlistUrl) ? new URL(uri, playlistUrl).href : undefined;
}

const asMedia = (uri: string, places: PlaylistPlaces): string => absolute(uri, places) ?? uri;

function asChild(uri: string, places: PlaylistPlaces): string {
  const url = absolute(uri, places);
  return url === undefined ? uri : places.childAddress(url);
}

function asKey(uri: string, places: PlaylistPlaces): string {
  const url = absolute(uri, places);
  if (url === undefined) return uri;
  if (!places.isKeyAddress(url)) return url;
  const joint = url.includes('?') ? '&' : '?';
  return `${url}${joint}token=${encodeURIComponent(places.token)}`;
}
