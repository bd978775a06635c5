import type { JWTVerifyGetKey } from 'jose';
import { checkAccessToken, type TokenRefusal, type TokenRules } from './access-token.ts';
import { mayAct, type RoleAssignment } from './role-assignments.ts';

/** Who calls, and what that caller may do. */
export interface SignedInCaller {
  readonly callerId: string;
  readonly objectId: string;
  /** `action` as Azure names it, `scope` an ARM id. */
  mayAct(asked: { readonly action: string; readonly scope: string }): boolean;
}

export interface AccessControl {
  /** Where a caller gets a token, for the challenge of a refusal. */
  readonly authorizationUri: string;
  signIn(token: string): Promise<{ readonly caller: SignedInCaller } | { readonly refusal: TokenRefusal }>;
}

export function createAccessControl(options: {
  readonly authorizationUri: string;
  readonly getKey: JWTVerifyGetKey;
  readonly rules: TokenRules;
  /** As they are at the moment. */
  readonly roleAssignments: () => readonly RoleAssignment[];
}): AccessControl {
  const { authorizationUri, getKey, rules, roleAssignments } = options;
  return {
    authorizationUri,
    async signIn(token) {
      const check = await checkAccessToken(token, getKey, rules);
      if ('refusal' in check) return check;
      const { principal } = check;
      const { callerId, objectId } = principal;
      return {
        caller: { callerId, objectId, mayAct: (asked) => mayAct(principal, asked, roleAssignments()) },
      };
    },
  };
}
