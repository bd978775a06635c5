import { type ArmError, armError } from '../resources/error-catalogue.ts';

/** A caller whose token was good. */
export interface SignedInCaller {
  readonly callerId: string;
  readonly objectId: string;
  mayAct(asked: { readonly action: string; readonly scope: string }): boolean;
}

/** Who may call; declared by what asks for it. */
export interface ArmAccess {
  /** Where a caller gets a token. */
  readonly authorizationUri: string;
  signIn(token: string): Promise<{ readonly caller: SignedInCaller } | { readonly refusal: AccessRefusal }>;
}

interface AccessRefusal {
  readonly kind: 'invalid' | 'expired' | 'wrongAudience' | 'wrongIssuer' | 'unavailable';
  readonly reason: string;
}

const REFUSALS = {
  invalid: 'InvalidAuthenticationToken',
  expired: 'ExpiredAuthenticationToken',
  wrongAudience: 'InvalidAuthenticationTokenAudience',
  wrongIssuer: 'InvalidAuthenticationTokenTenant',
  unavailable: 'AuthenticationUnavailable',
} as const satisfies Record<AccessRefusal['kind'], string>;

/** The caller of a request; throws what Azure Resource Manager answers instead. */
export async function signedInCaller(
  authorization: string | undefined,
  access: ArmAccess,
): Promise<SignedInCaller> {
  if (authorization === undefined || authorization === '') {
    throw armError('AuthenticationFailed', { reason: "The 'Authorization' header is missing." });
  }
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(authorization)?.[1];
  if (token === undefined) {
    throw armError('AuthenticationFailed', {
      reason: "The 'Authorization' header is provided in an invalid format.",
    });
  }
  const result = await access.signIn(token);
  if ('refusal' in result) throw armError(REFUSALS[result.refusal.kind], { reason: result.refusal.reason });
  return result.caller;
}

/** Throws `AuthorizationFailed` with Azure's words. */
export function checkMayAct(caller: SignedInCaller, action: string, scope: string): void {
  if (caller.mayAct({ action, scope })) return;
  const { callerId, objectId } = caller;
  throw armError('AuthorizationFailed', { name: callerId, objectId, action, scope });
}

/** RFC 6750 §3, with what Azure Resource Manager adds. */
export function challengeOf({ message }: ArmError, { authorizationUri }: ArmAccess): string {
  const description = message.replace(/[^\x20-\x7e]|["\\]/g, "'");
  return `Bearer authorization_uri="${authorizationUri}", error="invalid_token", error_description="${description}"`;
}

const ACTION_VERBS: Readonly<Record<string, string>> = {
  GET: 'read',
  PUT: 'write',
  PATCH: 'write',
  DELETE: 'delete',
};

/** `POST …/providers/Microsoft.Media/mediaservices/:account/assets/:asset/listContainerSas` is `Microsoft.Media/mediaservices/assets/listContainerSas/action`. */
export function actionOf(method: string, path: string): string {
  const kept = path.slice(path.lastIndexOf('/providers/') + '/providers/'.length);
  const types = kept.split('/').filter((part) => part !== '' && !part.startsWith(':'));
  return [...types, ACTION_VERBS[method] ?? 'action'].join('/');
}

/** What a call is about: the resource, without the verb of a POST and without what another provider adds. */
export function scopeOf(method: string, pathname: string): string {
  const path = pathname.replace(/\/+$/, '');
  if (method === 'POST') return path.slice(0, path.lastIndexOf('/'));
  return path.replace(/\/providers\/Microsoft\.Insights\/.*$/i, '');
}
