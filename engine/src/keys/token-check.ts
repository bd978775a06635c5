import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { TokenRestriction } from './delivery-policy.ts';
import { parseJsonWebToken, type UncheckedToken } from './json-web-token.ts';
import { parseSimpleWebToken } from './simple-web-token.ts';
import { checkClaims, type TokenFacts } from './token-claims.ts';
import { isSignedByAny, type VerificationKey } from './token-keys.ts';

const VERIFIED_MAX = 50_000;
/** Of their texts together. */
const VERIFIED_CHARS_MAX = 64 * 1024 * 1024;
/** Policies that one token is remembered for. */
const RESTRICTIONS_MAX = 8;
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
  #digest: string | undefined;
  #jwt: UncheckedToken | undefined | 'unparsed' = 'unparsed';
  #swt: UncheckedToken | undefined | 'unparsed' = 'unparsed';
  #use: Promise<'taken' | 'exhausted'> | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** SHA-256 in hexadecimal: what logs and audit records may know of it. */
  get digest(): string {
    this.#digest ??= hash('sha256', this.text, 'hex');
    return this.#digest;
  }

  /** It has been made of the same text before. */
  knowDigest(digest: string): void {
    this.#digest = digest;
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
  readonly restriction: string;
  readonly verdict: TokenVerdict & { readonly kind: 'good' };
  readonly untilMs: number;
}

interface KnownToken {
  readonly digest: string;
  /** One for each restriction, the newest first. */
  readonly verified: readonly Verified[];
}

/** Checks tokens and remembers good ones for a minute, so that a player's further requests cost no signature. */
export class TokenChecker {
  readonly #options: TokenCheckerOptions;
  readonly #known = new LRUCache<string, KnownToken>({
    max: VERIFIED_MAX,
    maxSize: VERIFIED_CHARS_MAX,
    sizeCalculation: (_known, text) => text.length,
  });

  constructor(options: TokenCheckerOptions) {
    this.#options = options;
  }

  check(restriction: TokenRestriction, token: PresentedToken, nowMs: number): TokenVerdict {
    const known = this.#known.get(token.text);
    const found = known?.verified.find((one) => one.restriction === restriction.id);
    if (known !== undefined && found !== undefined && nowMs < found.untilMs) {
      token.knowDigest(known.digest);
      return found.verdict;
    }
    const verdict = this.#verify(restriction, token, nowMs);
    if (verdict.kind === 'good') {
      const endsAtMs = (verdict.facts.expires + this.#options.clockSkewSeconds) * 1000;
      const untilMs = Math.min(nowMs + VERIFIED_MS_MAX, endsAtMs);
      this.#remember(token, { restriction: restriction.id, verdict, untilMs }, known);
    }
    return verdict;
  }

  #remember(token: PresentedToken, one: Verified, known: KnownToken | undefined): void {
    const others = known?.verified.filter(({ restriction }) => restriction !== one.restriction) ?? [];
    // A copy: what was cut out of a request would keep all of that in memory.
    const text = Buffer.from(token.text, 'latin1').toString('latin1');
    const verified = [one, ...others.slice(0, RESTRICTIONS_MAX - 1)];
    this.#known.set(text, { digest: token.digest, verified });
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
    const good: TokenVerdict = { kind: 'good', facts: found };
    const clock = { nowMs, skewMs: skewSeconds * 1000 };
    if (isSignedByAny(unchecked, restriction.keys, clock)) return good;
    const { discoveryUrl: url } = restriction;
    if (url === undefined || unchecked.algorithm !== 'RS256') return { kind: 'bad', reason: 'signature' };
    const keys = this.#options.issuerKeys.find(url, unchecked.keyName);
    if (keys === undefined || keys.length === 0) {
      return { kind: 'keyUnknown', url, keyName: unchecked.keyName };
    }
    return isSignedByAny(unchecked, keys, clock) ? good : { kind: 'bad', reason: 'signature' };
  }
}
