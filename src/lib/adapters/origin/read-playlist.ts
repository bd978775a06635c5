import type { PlaylistReading } from '../../workflows/native-playlist.ts';

/** An origin holds a playlist back until there is something in it, at most 15 s. */
const TIMEOUT_MS = 20_000;
/** 25 hours of two-second segments are about 6 MiB. */
const PLAYLIST_BYTES_MAX = 16 * 1024 * 1024;

/** Reads a playlist as any player would; follows no redirection and reads no more than a playlist can be. */
export async function readPlaylist(url: string): Promise<PlaylistReading> {
  try {
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { accept: 'application/vnd.apple.mpegurl' },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      return { kind: 'refused', status: response.status };
    }
    const text = await readBounded(response);
    if (text === undefined || !text.startsWith('#EXTM3U')) return { kind: 'unreadable' };
    return { kind: 'playlist', text, maxAgeSeconds: maxAgeOf(response.headers.get('cache-control') ?? '') };
  } catch {
    // What is wrong with it is the network's: there is no token in the address, and nothing more to tell.
    return { kind: 'unreadable' };
  }
}

function maxAgeOf(cacheControl: string): number {
  const digits = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(cacheControl)?.[1];
  return /no-(?:store|cache)/i.test(cacheControl) ? 0 : Number(digits ?? 0);
}

async function readBounded({ body }: Response): Promise<string | undefined> {
  if (body === null) return undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > PLAYLIST_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
