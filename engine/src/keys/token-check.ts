import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { TokenRestriction } from './delivery-policy.ts';
import { parseJsonWebToken, type UncheckedToken } from './json-web-token.ts';
import { parseSimpleWebToken } from './simple-web-token.ts';
import { checkClaims, type TokenFacts } from './token-claims.ts';
import { isSignedByAny, type VerificationKey } from './token-keys.ts';

const VERIFIED_MAX = 50_000;
/** What was found of a token is believed for so long, its expiry apart: keys and certificates may be taken back. */
const VERIFIED_MS_MAX = 60_000;

/** What a token is for one restriction. */
export type TokenVerdict =
  | { readonly kind: 'good'; readonly facts: TokenFacts }
  | { readonly kind: 'bad'; readonly reason: string }
  /** None of the keys that are known now; the issuer may have one. */
  | { readonly kind: 'keyUnknown'; readonly url: string; readonly keyName: string | undefined };

/** The keys of token issuers, as far as they are known at this moment. */
export interface KnownIssuerKeys {
  /** Undefined: the issuer has not been asked, or its keys are too old. */
  find(url: string, keyName: string | undefined): readonly VerificationKey[] | undefined;
}

export interface TokenCheckerOptions {
  readonly issuerKeys: KnownIssuerKeys;
  readonly clockSkewSeconds: number;
}

/** One request's token: parsed once, whatever restrictions it is held against. */
export class PresentedToken {
  readonly text: string;
  /** SHA-256 in hexadecimal: what logs and audit records may know of it. */
  readonly digest: string;
  #jwt: UncheckedToken | undefined | 'unparsed' = 'unparsed';
  #swt: UncheckedToken | undefined | 'unparsed' = 'unparsed';
  #use: Promise<'taken' | 'exhausted'> | undefined;

  constructor(text: string) {
    this.text = text;
    this.digest = hash('sha256', text, 'hex');
  }

  /** Counted once for a request, however many keys it asks for. */
  useOnce(take: () => Promise<'taken' | 'exhausted'>): Promise<'taken' | 'exhausted'> {
    this.#use ??= take();
    return this.#use;
  }

  parsed(tokenType: 'Jwt' | 'Swt'): UncheckedToken | undefined {
    if (tokenType === 'Jwt') {
      if (this.#jwt === 'unparsed') this.#jwt = parseJsonWebToken(this.text);
      return this.#jwt;
    }
    if (this.#swt === 'unparsed') this.#swt = parseSimpleWebToken(this.text);
    return this.#swt;
  }
}

interface Verified {
  readonly facts: TokenFacts;
  readonly untilMs: number;
}

/** Checks tokens and remembers good ones for a minute, so that a player's further requests cost no signature. */
export class TokenChecker {
  readonly #options: TokenCheckerOptions;
  readonly #verified = new LRUCache<string, Verified>({ max: VERIFIED_MAX });

  constructor(options: TokenCheckerOptions) {
    this.#options = options;
  }

  check(restriction: TokenRestriction, token: PresentedToken, nowMs: number): TokenVerdict {
    const known = `${restriction.id}!${token.digest}`;
    const verified = this.#verified.get(known);
    if (verified !== undefined && nowMs < verified.untilMs) return { kind: 'good', facts: verified.facts };
    const verdict = this.#verify(restriction, token, nowMs);
    if (verdict.kind === 'good') {
      const endsAtMs = (verdict.facts.expires + this.#options.clockSkewSeconds) * 1000;
      this.#verified.set(known, {
        facts: verdict.facts,
        untilMs: Math.min(nowMs + VERIFIED_MS_MAX, endsAtMs),
      });
    }
    return verdict;
  }

  #verify(restriction: TokenRestriction, token: PresentedToken, nowMs: number): TokenVerdict {
    const unchecked = token.parsed(restriction.tokenType);
    if (unchecked === undefined) return { kind: 'bad', reason: 'malformed' };
    const { clockSkewSeconds: skewSeconds } = this.#options;
    const found = checkClaims(unchecked.claims, restriction.rules, {
      nowSeconds: nowMs / 1000,
      skewSeconds,
    });
    if ('fault' in found) return { kind: 'bad', reason: found.fault };
    const good = (): TokenVerdict => ({
      kind: 'good',
      facts: { ...found, signatureHash: unchecked.signatureHash() },
    });
    const clock = { nowMs, skewMs: skewSeconds * 1000 };
    if (isSignedByAny(unchecked, restriction.keys, clock)) return good();
    const { discoveryUrl: url } = restriction;
    if (url === undefined || unchecked.algorithm !== 'RS256') return { kind: 'bad', reason: 'signature' };
    const keys = this.#options.issuerKeys.find(url, unchecked.keyName);
    if (keys === undefined || keys.length === 0) {
      return { kind: 'keyUnknown', url, keyName: unchecked.keyName };
    }
    return isSignedByAny(unchecked, keys, clock) ? good() : { kind: 'bad', reason: 'signature' };
  }
}
