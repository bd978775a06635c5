import { createHash } from 'node:crypto';

const POLL_MS = 400;
const ANSWER_WITHIN_MS = 5000;
const SEGMENTS_MAX = 100_000;

/**
 * Everything that the manifests of a presentation ever listed, with the bytes as they were served first: what viewers
 * were told is there, and so must stay.
 */
export class Acknowledged {
  readonly #manifestUrl: string;
  /** Address → SHA-256; undefined until its bytes could be had. */
  readonly #hashes = new Map<string, string | undefined>();
  #running = true;
  #finished: Promise<void>;

  constructor(manifestUrl: string) {
    this.#manifestUrl = manifestUrl;
    this.#finished = this.#watch();
  }

  get count(): number {
    return this.#hashes.size;
  }

  /** Addresses that are listed no more, or whose bytes are gone or others; the last look at the presentation. */
  async lost(): Promise<readonly string[]> {
    this.#running = false;
    await this.#finished;
    const listed = new Set(await listMedia(this.#manifestUrl));
    const lost: string[] = [];
    for (const [url, hash] of this.#hashes) {
      if (!listed.has(url)) lost.push(`not listed: ${url}`);
      const now = await hashOf(url).catch((error: unknown) => String(error));
      if (hash !== undefined && now !== hash) lost.push(`other bytes (${now}): ${url}`);
      if (hash === undefined && !/^[0-9a-f]{64}$/.test(now)) lost.push(`cannot be had (${now}): ${url}`);
    }
    return lost;
  }

  async #watch(): Promise<void> {
    while (this.#running) {
      await this.#look().catch(() => undefined); // nobody answers while the origin is away
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #look(): Promise<void> {
    for (const url of await listMedia(this.#manifestUrl)) {
      if (!this.#hashes.has(url) && this.#hashes.size < SEGMENTS_MAX) this.#hashes.set(url, undefined);
    }
    for (const [url, hash] of this.#hashes) {
      if (hash === undefined) this.#hashes.set(url, await hashOf(url));
    }
  }
}

/** Every initialization and media segment of every variant stream and rendition. */
export async function listMedia(multivariantUrl: string): Promise<readonly string[]> {
  const multivariant = await textOf(multivariantUrl);
  const lines = [...multivariant.matchAll(/^[^#\s].*$/gm)].map(([line]) => line);
  const renditions = [...multivariant.matchAll(/^#EXT-X-MEDIA:.*URI="([^"]+)"/gm)].map(([, uri = '']) => uri);
  const playlists = [...new Set([...lines, ...renditions])].map((uri) => new URL(uri, multivariantUrl).href);
  const media = await Promise.all(
    playlists.map(async (url) => {
      const playlist = await textOf(url);
      const uris = [...playlist.matchAll(/^(?:#EXT-X-MAP:.*URI="([^"]+)".*|([^#\s].*))$/gm)];
      return uris.map(([, map, segment]) => new URL(map ?? segment ?? '', url).href);
    }),
  );
  return [...new Set(media.flat())];
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return text;
}

async function hashOf(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  const bytes = await response.arrayBuffer();
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return createHash('sha256').update(new Uint8Array(bytes)).digest('hex');
}
