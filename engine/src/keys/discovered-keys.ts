import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { type GuardedResponse, guardedRequest, isSafeScheme } from './guarded-request.ts';
import type { Clock, KeyLog } from './key-ports.ts';
import type { KnownIssuerKeys } from './token-check.ts';
import { rsaKeyOfJwk, type VerificationKey } from './token-keys.ts';

const DOCUMENT_BYTES_MAX = 256 * 1024;
const FETCH_MS_MAX = 5_000;
/** Revoked keys go with the next look. */
const REFRESH_AFTER_MS = 10 * 60_000;
/** What could not be confirmed for so long is not trusted any more. */
const KNOWN_MS_MAX = 24 * 60 * 60_000;
/** A key server that does not answer is left alone for this long, whatever tokens come. */
const FAILURE_COOL_DOWN_MS = 5_000;
const ISSUERS_MAX = 1_000;
const KEYS_PER_ISSUER_MAX = 100;
/** Tokens without a key's name are tried with this many. */
const NAMELESS_TRIES_MAX = 5;

const KeySet = z.object({ keys: z.array(z.looseObject({})).max(KEYS_PER_ISSUER_MAX) });
const DiscoveryDocument = z.looseObject({ jwks_uri: z.string() });

interface IssuerKey extends VerificationKey {
  readonly name: string | undefined;
}

interface Issuer {
  keys: readonly IssuerKey[];
  confirmedAtMs: number;
  lookedAtMs: number;
  failedAtMs: number;
  looking: Promise<void> | undefined;
}

export interface DiscoveredKeysOptions {
  readonly clock: Clock;
  readonly log: KeyLog;
  /** Least time between two looks for a key that is not known. */
  readonly coolDownMs: number;
  /** Issuers may be in private networks and on this machine. */
  readonly isPrivateAllowed: boolean;
}

/**
 * The keys of token issuers, found by their OpenID discovery documents: read at the first token, again after ten
 * minutes and, at most once per cool-down, for a key that is not known. While an issuer does not answer, the keys that
 * are known stay good for a day.
 */
export class DiscoveredKeys implements KnownIssuerKeys {
  readonly #options: DiscoveredKeysOptions;
  readonly #issuers = new LRUCache<string, Issuer>({ max: ISSUERS_MAX });

  constructor(options: DiscoveredKeysOptions) {
    this.#options = options;
  }

  find(url: string, keyName: string | undefined): readonly VerificationKey[] | undefined {
    const issuer = this.#issuers.get(url);
    if (issuer === undefined) return undefined;
    const nowMs = this.#options.clock.nowMs();
    const ageMs = nowMs - issuer.confirmedAtMs;
    if (ageMs >= KNOWN_MS_MAX) return undefined;
    if (ageMs >= REFRESH_AFTER_MS && this.#mayLook(issuer, nowMs))
      this.#look(url, issuer).catch(() => undefined);
    if (keyName === undefined) return issuer.keys.slice(0, NAMELESS_TRIES_MAX);
    return issuer.keys.filter(({ name }) => name === keyName);
  }

  /** Asks the issuer, unless it was a moment ago. `unavailable`: nothing can be said of its tokens now. */
  async lookAgain(url: string): Promise<'looked' | 'unavailable'> {
    const issuer = this.#issuers.get(url) ?? this.#newIssuer(url);
    const nowMs = this.#options.clock.nowMs();
    if (issuer.looking !== undefined || this.#mayLook(issuer, nowMs)) {
      await (issuer.looking ?? this.#look(url, issuer));
    }
    return nowMs - issuer.confirmedAtMs < KNOWN_MS_MAX && issuer.failedAtMs < issuer.confirmedAtMs
      ? 'looked'
      : 'unavailable';
  }

  #newIssuer(url: string): Issuer {
    const never = Number.NEGATIVE_INFINITY;
    const issuer = {
      keys: [],
      confirmedAtMs: never,
      lookedAtMs: never,
      failedAtMs: never,
      looking: undefined,
    };
    this.#issuers.set(url, issuer);
    return issuer;
  }

  #mayLook({ lookedAtMs, failedAtMs, looking }: Issuer, nowMs: number): boolean {
    if (looking !== undefined || nowMs - failedAtMs < FAILURE_COOL_DOWN_MS) return false;
    return failedAtMs >= lookedAtMs || nowMs - lookedAtMs >= this.#options.coolDownMs;
  }

  /** Never rejects: what went wrong is in the log, and in `failedAtMs`. */
  #look(url: string, issuer: Issuer): Promise<void> {
    const { clock, log } = this.#options;
    issuer.lookedAtMs = clock.nowMs();
    issuer.looking = this.#readKeys(url)
      .then((keys) => {
        issuer.keys = keys;
        issuer.confirmedAtMs = clock.nowMs();
        log.info('keys.issuerKeysRead', { url: withoutQuery(url), keys: keys.length });
      })
      .catch((error: unknown) => {
        issuer.failedAtMs = clock.nowMs();
        log.warn('keys.issuerKeysNotRead', { url: withoutQuery(url), error });
      })
      .finally(() => {
        issuer.looking = undefined;
      });
    return issuer.looking;
  }

  async #readKeys(url: string): Promise<readonly IssuerKey[]> {
    const { jwks_uri: address } = DiscoveryDocument.parse(await this.#readJson(url));
    const { keys } = KeySet.parse(await this.#readJson(address));
    return keys.flatMap((jwk) => {
      const { use, alg, kid: name } = jwk;
      if ((use !== undefined && use !== 'sig') || (alg !== undefined && alg !== 'RS256')) return [];
      const key = rsaKeyOfJwk(jwk);
      return typeof key === 'string' ? [] : [{ ...key, name: typeof name === 'string' ? name : undefined }];
    });
  }

  async #readJson(address: string): Promise<unknown> {
    if (!URL.canParse(address) || !isSafeScheme(new URL(address))) {
      throw new Error('an address that cannot be trusted: https is required');
    }
    const response: GuardedResponse = await guardedRequest({
      url: new URL(address),
      method: 'GET',
      headers: { accept: 'application/json' },
      timeoutMs: FETCH_MS_MAX,
      responseBytesMax: DOCUMENT_BYTES_MAX,
      isPrivateAllowed: this.#options.isPrivateAllowed,
    });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    return JSON.parse(response.body.toString('utf8'));
  }
}

/** A query may hold what is nobody's business. */
const withoutQuery = (url: string): string => url.split('?', 1)[0] ?? '';
