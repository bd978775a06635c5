import { BlockList, isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import type { KeyDeliveryKind } from '../resources/key-delivery-addresses.ts';
import {
  type DeliveryOption,
  type DeliveryPolicy,
  isSamePolicy,
  prepareDeliveryPolicy,
} from './delivery-policy.ts';
import type { DiscoveredKeys } from './discovered-keys.ts';
import { KeyDeliveryError } from './key-delivery-error.ts';
import type { Clock, KeyAccount, KeyDirectory, KeyLog, StoredContentKey, TokenUses } from './key-ports.ts';
import { LookupCache } from './lookup-cache.ts';
import { PresentedToken, type TokenChecker } from './token-check.ts';
import type { TokenFacts } from './token-claims.ts';

const ACCOUNTS_MAX = 2_000;
const KEYS_MAX = 100_000;
const POLICIES_MAX = 10_000;

/** A request for one key. */
export interface AskedKey {
  readonly account: string;
  readonly keyId: string;
  readonly kind: KeyDeliveryKind;
  readonly token: PresentedToken | 'malformed' | undefined;
  readonly client: string;
}

export interface Grant {
  readonly key: StoredContentKey;
  readonly policy: string;
  readonly option: DeliveryOption;
}

export interface KeyAuthorityDeps {
  readonly directory: KeyDirectory;
  readonly tokens: TokenChecker;
  readonly issuers: DiscoveredKeys;
  readonly uses: TokenUses;
  readonly clock: Clock;
  readonly log: KeyLog;
}

type Decision =
  | { readonly kind: 'granted'; readonly grant: Grant; readonly facts: TokenFacts | undefined }
  | { readonly kind: 'refused'; readonly error: KeyDeliveryError }
  | { readonly kind: 'askIssuer'; readonly url: string };

interface KeyState {
  readonly key: StoredContentKey;
  readonly policies: readonly DeliveryPolicy[];
}

/** How a token stands with this request. */
interface TokenState {
  /** Its uses are used up: it counts no more. */
  readonly isSpent: boolean;
  /** Issuers that were asked for this request; each is asked once. */
  readonly asked: ReadonlySet<string>;
}

const FRESH: TokenState = { isSpent: false, asked: new Set() };

/**
 * Decides who gets a key: the policy of the locator's key, its options in order until a restriction fits and the
 * configuration is for what is asked (reference §4.1).
 */
export class KeyAuthority {
  readonly #deps: KeyAuthorityDeps;
  readonly #accounts: LookupCache<AccountAccess>;
  readonly #keys: LookupCache<StoredContentKey>;
  readonly #policies: LookupCache<DeliveryPolicy>;
  /** Keys are parsed, and what is wrong with them is said, when a policy has changed. */
  readonly #prepared = new LRUCache<string, DeliveryPolicy>({ max: POLICIES_MAX });

  constructor(deps: KeyAuthorityDeps) {
    this.#deps = deps;
    const { directory, clock, log } = deps;
    this.#accounts = new LookupCache({
      clock,
      entriesMax: ACCOUNTS_MAX,
      look: async (account) => {
        const found = await directory.findAccount(account);
        return found && accessOf(found);
      },
    });
    this.#keys = new LookupCache({
      clock,
      entriesMax: KEYS_MAX,
      look: (place) => directory.findContentKey(...partsOf(place)),
    });
    this.#policies = new LookupCache({
      clock,
      entriesMax: POLICIES_MAX,
      look: async (place) => {
        const stored = await directory.findPolicy(...partsOf(place));
        if (stored === undefined) return undefined;
        const known = this.#prepared.get(place);
        if (known !== undefined && isSamePolicy(known, stored)) return known;
        const policy = prepareDeliveryPolicy(stored, log);
        this.#prepared.set(place, policy);
        return policy;
      },
    });
  }

  /** At once, when everything is known and nothing is to be counted; undefined: `grant` says. Throws as that does. */
  grantNow(asked: AskedKey): Grant | undefined {
    const { account, keyId, client } = asked;
    if (this.#accounts.peek(account)?.allows(client) !== true) return undefined;
    const key = this.#keys.peek(placeOf(account, keyId));
    if (key === undefined) return undefined;
    const nowMs = this.#deps.clock.nowMs();
    const policies: DeliveryPolicy[] = [];
    for (const name of policyNamesOf(key, nowMs)) {
      const policy = this.#policies.peek(placeOf(account, name));
      if (policy === undefined) return undefined;
      policies.push(policy);
    }
    const decision = this.#decide({ key, policies }, asked, FRESH);
    if (decision.kind === 'refused') throw decision.error;
    return decision.kind === 'granted' && decision.facts?.usesMax === undefined ? decision.grant : undefined;
  }

  /** Throws `KeyDeliveryError`, and `DirectoryUnavailable` when nothing can be said now. */
  async grant(asked: AskedKey): Promise<Grant> {
    const state = await this.#stateOf(asked);
    let token = FRESH;
    for (;;) {
      const decision = this.#decide(state, asked, token);
      if (decision.kind === 'refused') throw decision.error;
      if (decision.kind === 'askIssuer') {
        if ((await this.#deps.issuers.lookAgain(decision.url)) === 'unavailable') {
          throw new KeyDeliveryError('TemporarilyUnavailable', 'the keys of the token issuer are not known');
        }
        token = { ...token, asked: new Set([...token.asked, decision.url]) };
        continue;
      }
      const { facts, grant } = decision;
      if (facts?.usesMax === undefined || (await this.#take(asked, grant, facts)) === 'taken') return grant;
      token = { ...token, isSpent: true };
    }
  }

  async #stateOf({ account, keyId, client }: AskedKey): Promise<KeyState> {
    const access = await this.#accounts.find(account);
    if (access === undefined) throw new KeyDeliveryError('ContentKeyNotFound', 'no such account');
    if (!access.allows(client)) throw new KeyDeliveryError('ClientAddressDenied', 'address');
    const key = await this.#keys.find(placeOf(account, keyId));
    if (key === undefined) throw new KeyDeliveryError('ContentKeyNotFound', 'no such key');
    const names = policyNamesOf(key, this.#deps.clock.nowMs());
    const policies = await Promise.all(names.map((name) => this.#policies.find(placeOf(account, name))));
    return { key, policies: policies.filter((policy) => policy !== undefined) };
  }

  #decide({ key, policies }: KeyState, asked: AskedKey, token: TokenState): Decision {
    let reason = policies.length === 0 ? 'noPolicy' : 'noConfiguration';
    let code: 'KeyDeliveryDenied' | 'Unauthorized' = 'KeyDeliveryDenied';
    for (const policy of policies) {
      for (const option of policy.options) {
        if (!option.kinds.includes(asked.kind)) continue;
        const fit = this.#fit(option, asked, token);
        if (fit.kind === 'granted') {
          return { kind: 'granted', grant: { key, policy: policy.name, option }, facts: fit.facts };
        }
        if (fit.kind === 'askIssuer') return fit;
        code = 'Unauthorized';
        reason = fit.reason;
      }
    }
    if (policies.length === 0 && !isPublished(key, this.#deps.clock.nowMs())) reason = 'locatorNotActive';
    return { kind: 'refused', error: new KeyDeliveryError(code, reason) };
  }

  #fit(
    { restriction }: DeliveryOption,
    { token, keyId }: AskedKey,
    { isSpent, asked }: TokenState,
  ):
    | { readonly kind: 'granted'; readonly facts: TokenFacts | undefined }
    | { readonly kind: 'askIssuer'; readonly url: string }
    | { readonly kind: 'unfit'; readonly reason: string } {
    if (restriction.kind === 'open') return { kind: 'granted', facts: undefined };
    if (token === undefined) return { kind: 'unfit', reason: 'noToken' };
    if (token === 'malformed') return { kind: 'unfit', reason: 'malformed' };
    if (isSpent) return { kind: 'unfit', reason: 'usesExhausted' };
    const verdict = this.#deps.tokens.check(restriction, token, this.#deps.clock.nowMs());
    if (verdict.kind === 'bad') return { kind: 'unfit', reason: verdict.reason };
    if (verdict.kind === 'keyUnknown') {
      return asked.has(verdict.url)
        ? { kind: 'unfit', reason: 'unknownKey' }
        : { kind: 'askIssuer', url: verdict.url };
    }
    const { facts } = verdict;
    if (facts.keyIds !== undefined && !facts.keyIds.includes(keyId)) {
      return { kind: 'unfit', reason: 'otherKey' };
    }
    return { kind: 'granted', facts };
  }

  async #take(
    { account, token }: AskedKey,
    grant: Grant,
    { usesMax, expires }: TokenFacts,
  ): Promise<'taken' | 'exhausted'> {
    const { restriction } = grant.option;
    const isLimited =
      usesMax !== undefined && restriction.kind === 'token' && token instanceof PresentedToken;
    if (!isLimited) return 'taken';
    const signatureHash = token.parsed(restriction.tokenType)?.signatureHash();
    if (signatureHash === undefined) throw new TypeError('a token that was good cannot be parsed');
    try {
      return await token.useOnce(() =>
        this.#deps.uses.take({ account, signatureHash, usesMax, endsAtMs: expires * 1000 }),
      );
    } catch (cause) {
      throw new KeyDeliveryError('TemporarilyUnavailable', 'uses cannot be counted', { cause });
    }
  }
}

interface AccountAccess {
  allows(client: string): boolean;
}

function accessOf({ defaultAction, ipAllowList }: KeyAccount): AccountAccess {
  if (defaultAction === 'Allow') return { allows: () => true };
  const list = new BlockList();
  for (const entry of ipAllowList) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return {
    allows(client) {
      const family = isIP(client);
      return family !== 0 && list.check(client, family === 6 ? 'ipv6' : 'ipv4');
    },
  };
}

/** Distinct, of the locators that are valid now. */
function policyNamesOf({ locators }: StoredContentKey, nowMs: number): readonly string[] {
  const [only] = locators;
  if (only !== undefined && locators.length === 1) {
    return only.policyName !== undefined && isValid(only, nowMs) ? [only.policyName] : [];
  }
  const names = locators
    .filter((locator) => isValid(locator, nowMs))
    .flatMap(({ policyName }) => policyName ?? []);
  return [...new Set(names)];
}

const isValid = (
  { startTimeMs, endTimeMs }: { readonly startTimeMs: number | undefined; readonly endTimeMs: number },
  nowMs: number,
): boolean => (startTimeMs === undefined || nowMs >= startTimeMs) && nowMs < endTimeMs;

const isPublished = ({ locators }: StoredContentKey, nowMs: number): boolean =>
  locators.some((locator) => isValid(locator, nowMs));

/** Accounts' names have no `/`. */
const placeOf = (account: string, name: string): string => `${account}/${name}`;

function partsOf(place: string): [string, string] {
  const at = place.indexOf('/');
  return [place.slice(0, at), place.slice(at + 1)];
}
