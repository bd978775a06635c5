import type { KeyDeliveryRequestPlace } from '../resources/key-delivery-addresses.ts';
import { parseClearKeyRequest, writeClearKeyLicense } from './clear-key-license.ts';
import type { KeyAnswer } from './key-answers.ts';
import type { AskedKey, Grant, KeyAuthority } from './key-authority.ts';
import { KeyDeliveryError } from './key-delivery-error.ts';
import type { AuditRecord, Clock } from './key-ports.ts';
import { type KeyRequest, type KeyRequestHead, readKeyRequest } from './key-request.ts';
import { forwardLicenseRequest, type LicenseServers, type LicenseSystem } from './license-proxy.ts';
import { DirectoryUnavailable } from './lookup-cache.ts';
import { parsePlayReadyChallenge } from './play-ready-challenge.ts';
import type { RefusalLog } from './refusal-log.ts';
import { PresentedToken } from './token-check.ts';
import { widevineKeyIds } from './widevine-challenge.ts';

const TOKEN_DIGEST_CHARS = 32;
const NO_BODY = new Uint8Array();

export interface KeyServiceDeps {
  readonly authority: KeyAuthority;
  readonly licenseServers: LicenseServers;
  readonly audit: { add(record: AuditRecord): void };
  readonly refusals: RefusalLog;
  readonly clock: Clock;
  /** Of the engine. */
  readonly ownAccount: string;
  readonly placeOf: (path: string, host: string) => KeyDeliveryRequestPlace | undefined;
}

export interface IncomingKeyRequest extends KeyRequestHead {
  readonly method: string;
  readonly client: string;
  readonly contentType: string | undefined;
  readonly hasBody: boolean;
  /** Bounded; throws `KeyDeliveryError`. */
  readBody(): Promise<Uint8Array>;
}

type TokenGiven = AskedKey['token'];

/** What a request for a key or a license is answered; every decision about a key leaves an audit record. */
export class KeyService {
  readonly #deps: KeyServiceDeps;

  constructor(deps: KeyServiceDeps) {
    this.#deps = deps;
  }

  /** The key itself, at once, where that is possible; undefined: `answer` says. Throws `KeyDeliveryError`. */
  answerNow(incoming: IncomingKeyRequest): KeyAnswer | undefined {
    if (incoming.hasBody || (incoming.method !== 'GET' && incoming.method !== 'POST')) return undefined;
    const request = readKeyRequest(incoming, this.#deps.placeOf);
    if (request.kind !== 'aes' || request.keyId === undefined) return undefined;
    const asked = this.#asked(request, incoming, { keyId: request.keyId, token: given(request) });
    const grant = this.#grantedNow(asked);
    return grant && this.#aesAnswer(asked, grant);
  }

  /** Throws `KeyDeliveryError`. */
  async answer(incoming: IncomingKeyRequest): Promise<KeyAnswer> {
    const request = readKeyRequest(incoming, this.#deps.placeOf);
    switch (request.kind) {
      case 'aes':
        return this.#deliverKey(request, incoming);
      case 'clearKey':
        return this.#issueClearKey(request, incoming);
      case 'playReady': {
        const body = await bodyOf(incoming);
        const { keyIds, token } = parsePlayReadyChallenge(body);
        const own = given({ ...request, token: request.token ?? token });
        return this.#proxyLicense('playReady', { request, incoming, body, keyIds, token: own });
      }
      case 'widevine':
      case 'fairPlay': {
        const body = await bodyOf(incoming);
        const named = request.kind === 'widevine' ? widevineKeyIds(body) : [];
        const keyIds = [...new Set([requiredKeyId(request), ...named])];
        return this.#proxyLicense(request.kind, { request, incoming, body, keyIds, token: given(request) });
      }
    }
  }

  async #deliverKey(request: KeyRequest, incoming: IncomingKeyRequest): Promise<KeyAnswer> {
    if (incoming.method !== 'GET' && incoming.method !== 'POST') throw methodNotAllowed();
    if (incoming.hasBody && (await incoming.readBody()).byteLength > 0) {
      throw new KeyDeliveryError('MalformedRequest', 'a body');
    }
    const asked = this.#asked(request, incoming, { keyId: requiredKeyId(request), token: given(request) });
    return this.#aesAnswer(asked, await this.#granted(asked));
  }

  #aesAnswer(asked: AskedKey, grant: Grant): KeyAnswer {
    this.#auditGrant(asked, grant, 200);
    return { status: 200, contentType: 'application/octet-stream', body: grant.key.value };
  }

  /** Keys that are not granted are left out; without any the first refusal is the answer. */
  async #issueClearKey(request: KeyRequest, incoming: IncomingKeyRequest): Promise<KeyAnswer> {
    const keyIds = parseClearKeyRequest(await bodyOf(incoming));
    const token = given(request);
    const askedKeys = keyIds.map((keyId) => this.#asked(request, incoming, { keyId, token }));
    const outcomes = await Promise.allSettled(
      askedKeys.map(async (asked) => ({ asked, grant: await this.#granted(asked) })),
    );
    const granted = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (granted.length === 0) {
      throw mostTelling(outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : [])));
    }
    for (const { asked, grant } of granted) this.#auditGrant(asked, grant, 200);
    const body = writeClearKeyLicense(granted.map(({ grant }) => grant.key));
    return { status: 200, contentType: 'application/json', body };
  }

  /** All keys of a challenge have to be granted: the license server will not look at our policies. */
  async #proxyLicense(
    system: LicenseSystem,
    { request, incoming, body, keyIds, token }: ProxiedRequest,
  ): Promise<KeyAnswer> {
    const askedKeys = keyIds.map((keyId) => this.#asked(request, incoming, { keyId, token }));
    const outcomes = await Promise.allSettled(askedKeys.map((asked) => this.#granted(asked)));
    const refusals = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    if (refusals.length > 0) throw mostTelling(refusals);
    const account = request.account ?? this.#deps.ownAccount;
    const server = this.#deps.licenseServers.find(system, account);
    const audit = (status: number, reason?: string): void => {
      for (const [at, outcome] of outcomes.entries()) {
        const asked = askedKeys[at];
        if (asked === undefined || outcome.status !== 'fulfilled') continue;
        this.#auditGrant(asked, outcome.value, status, reason);
      }
    };
    try {
      if (server === undefined) throw new KeyDeliveryError('LicenseServerNotConfigured', system);
      const { contentType } = incoming;
      const answer = await forwardLicenseRequest(server, { account, keyIds, contentType, body });
      audit(answer.status);
      return answer;
    } catch (error) {
      if (error instanceof KeyDeliveryError) audit(error.status, error.code);
      throw error;
    }
  }

  #asked(
    { kind, account }: KeyRequest,
    { client }: IncomingKeyRequest,
    { keyId, token }: { readonly keyId: string; readonly token: TokenGiven },
  ): AskedKey {
    return { kind, account: account ?? this.#deps.ownAccount, client, keyId, token };
  }

  #grantedNow(asked: AskedKey): Grant | undefined {
    try {
      return this.#deps.authority.grantNow(asked);
    } catch (error) {
      if (error instanceof KeyDeliveryError) this.#refused(asked, error);
      throw error;
    }
  }

  async #granted(asked: AskedKey): Promise<Grant> {
    try {
      return await this.#deps.authority.grant(asked);
    } catch (error) {
      const problem =
        error instanceof DirectoryUnavailable
          ? new KeyDeliveryError('TemporarilyUnavailable', error.message, { cause: error })
          : error;
      if (problem instanceof KeyDeliveryError) this.#refused(asked, problem);
      throw problem;
    }
  }

  #refused(asked: AskedKey, { code, status, reason }: KeyDeliveryError): void {
    const { account, keyId: kid, kind, client } = asked;
    const token = digestOf(asked.token);
    if (status < 500) this.#deps.refusals.refused({ account, kid, kind, client, code, reason, token });
    // Of what there is: made-up accounts and keys must not fill the records.
    if (code === 'ContentKeyNotFound') return;
    const outcome = status >= 500 ? 'failed' : 'refused';
    this.#deps.audit.add({
      ...{ atMs: this.#deps.clock.nowMs(), account, kid, kind, client, outcome, status, reason, token },
    });
  }

  #auditGrant(asked: AskedKey, { policy, option }: Grant, status: number, reason?: string): void {
    const { account, keyId: kid, kind, client } = asked;
    this.#deps.audit.add({
      atMs: this.#deps.clock.nowMs(),
      account,
      kid,
      kind,
      client,
      status,
      reason,
      policy,
      outcome: status < 400 ? 'delivered' : 'failed',
      option: option.id,
      optionName: option.name,
      token: option.restriction.kind === 'open' ? undefined : digestOf(asked.token),
    });
  }
}

interface ProxiedRequest {
  readonly request: KeyRequest;
  readonly incoming: IncomingKeyRequest;
  readonly body: Uint8Array;
  readonly keyIds: readonly string[];
  readonly token: TokenGiven;
}

const given = ({ token }: KeyRequest): TokenGiven =>
  token === undefined || token === 'malformed' ? token : new PresentedToken(token);

const digestOf = (token: TokenGiven): string | undefined =>
  token instanceof PresentedToken ? token.digest.slice(0, TOKEN_DIGEST_CHARS) : undefined;

function requiredKeyId({ keyId }: KeyRequest): string {
  if (keyId === undefined) throw new KeyDeliveryError('MalformedRequest', 'kid is missing');
  return keyId;
}

async function bodyOf(incoming: IncomingKeyRequest): Promise<Uint8Array> {
  if (incoming.method !== 'POST') throw methodNotAllowed();
  return incoming.hasBody ? incoming.readBody() : NO_BODY;
}

const methodNotAllowed = (): KeyDeliveryError => new KeyDeliveryError('MethodNotAllowed', 'method');

/** Something unexpected first; then what another try or another token would change. */
function mostTelling(errors: readonly unknown[]): unknown {
  const ranked = [...errors].sort((a, b) => rankOf(a) - rankOf(b));
  return ranked[0] ?? new Error('nothing was asked for');
}

const RANKS: readonly string[] = ['TemporarilyUnavailable', 'ClientAddressDenied', 'Unauthorized'];

function rankOf(error: unknown): number {
  if (!(error instanceof KeyDeliveryError)) return -1;
  const at = RANKS.indexOf(error.code);
  return at < 0 ? RANKS.length : at;
}
