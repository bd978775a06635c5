import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';

const DOCUMENT_BYTES_MAX = 256 * 1024;
const FETCH_MS_MAX = 5_000;
/** Revoked keys go with the next look, new ones are found when they are first used. */
const REFRESH_EVERY_MS = 10 * 60_000;
/** What could not be confirmed for so long is not trusted any more. */
const KEYS_KNOWN_MS_MAX = 24 * 60 * 60_000;
/** A key server that does not answer is left alone for this long, whatever tokens come. */
const FAILURE_COOL_DOWN_MS = 5_000;

export interface IssuerKeysOptions {
  /** An OpenID discovery document, which names the keys' address, or that address itself. */
  readonly source: { readonly kind: 'discovery' | 'jwks'; readonly url: URL };
  /** Least time between two looks for a key that is not known. */
  readonly coolDownMs: number;
  readonly log: { warn(event: string, fields?: object): void };
  readonly nowMs?: () => number;
}

export interface IssuerKeys {
  readonly getKey: JWTVerifyGetKey;
  close(): void;
}

/** The keys of the issuer cannot be read, so nothing can be said of a token. */
export class KeysUnavailable extends Error {
  readonly code = 'ERR_KEYS_UNAVAILABLE';
  constructor(cause: unknown) {
    super('the keys of the token issuer cannot be read', { cause });
    this.name = 'KeysUnavailable';
  }
}

/**
 * The public keys of a token issuer: read at the first token, refreshed in the background, looked for once more when a
 * token names one that is not known. While the key server does not answer, the known ones stay good for a day.
 */
export function openIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const { source, coolDownMs, log, nowMs = Date.now } = options;
  let remote: ReturnType<typeof createRemoteJWKSet> | undefined;
  let opening: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined;
  let confirmedAtMs = Number.NEGATIVE_INFINITY;
  let failedAtMs = Number.NEGATIVE_INFINITY;

  const fetchBounded = async (url: string, init: RequestInit): Promise<Response> => {
    if (nowMs() - failedAtMs < FAILURE_COOL_DOWN_MS) throw new Error('the key server failed a moment ago');
    try {
      const text = await readBounded(await fetch(url, init));
      return new Response(text, { status: 200 });
    } catch (error) {
      failedAtMs = nowMs();
      throw error;
    }
  };
  const open = async () => {
    const url = source.kind === 'jwks' ? source.url : await discoverKeys(source.url, fetchBounded);
    const keys = createRemoteJWKSet(url, {
      timeoutDuration: FETCH_MS_MAX,
      cooldownDuration: coolDownMs,
      cacheMaxAge: Number.POSITIVE_INFINITY,
      [customFetch]: fetchBounded,
    });
    await keys.reload();
    confirmedAtMs = nowMs();
    remote = keys;
    return keys;
  };
  /** At most one at a time. */
  const refresh = () => {
    opening ??= open().finally(() => {
      opening = undefined;
    });
    return opening;
  };
  const timer = setInterval(() => {
    refresh().catch((error: unknown) =>
      log.warn('identity.keysNotRefreshed', { url: source.url.href, error }),
    );
  }, REFRESH_EVERY_MS).unref();

  return {
    async getKey(header, token) {
      try {
        const isKnown = remote !== undefined && nowMs() - confirmedAtMs < KEYS_KNOWN_MS_MAX;
        const keys = isKnown && remote !== undefined ? remote : await refresh();
        return await keys(header, token);
      } catch (error) {
        const isAnswer =
          error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
        if (isAnswer || error instanceof errors.JOSENotSupported) throw error;
        log.warn('identity.keysUnavailable', { url: source.url.href, error });
        throw new KeysUnavailable(error);
      }
    },
    close: () => clearInterval(timer),
  };
}

async function discoverKeys(
  url: URL,
  fetchDocument: (url: string, init: RequestInit) => Promise<Response>,
): Promise<URL> {
  const response = await fetchDocument(url.href, {
    redirect: 'manual',
    signal: AbortSignal.timeout(FETCH_MS_MAX),
  });
  const document: unknown = await response.json();
  const address: unknown = Reflect.get(Object(document), 'jwks_uri');
  if (typeof address !== 'string' || !isTrustworthy(address)) {
    throw new Error('the discovery document has no jwks_uri that can be trusted');
  }
  return new URL(address);
}

/** Whoever can change keys on their way can sign tokens: only within this machine they travel without TLS. */
export function isTrustworthy(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return (
    protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname))
  );
}

async function readBounded(response: Response): Promise<string> {
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > DOCUMENT_BYTES_MAX) throw new Error(`more than ${DOCUMENT_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
