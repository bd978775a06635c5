import { createHash } from 'node:crypto';
import { armError } from './error-catalogue.ts';

export interface AccountIdentity {
  readonly type: 'SystemAssigned' | 'UserAssigned' | 'SystemAssigned,UserAssigned';
  /** Resource ids, as the caller wrote them. */
  readonly userAssigned: string[];
}

interface SentIdentity {
  readonly type: string;
  readonly userAssignedIdentities?: Readonly<Record<string, unknown>> | null | undefined;
}

const USER_ASSIGNED_ID =
  /^\/subscriptions\/[0-9a-f-]{36}\/resourceGroups\/[^/]{1,90}\/providers\/Microsoft\.ManagedIdentity\/userAssignedIdentities\/[\w-]{3,128}$/i;
const KINDS = ['SystemAssigned', 'UserAssigned'] as const;

/** `None` is an account without an identity. Both kinds are written with a comma between them, in any order. */
export function parseIdentity({ type, userAssignedIdentities }: SentIdentity): AccountIdentity | undefined {
  const parts = type.split(',').map((part) => part.trim().toLowerCase());
  const kinds = KINDS.filter((kind) => parts.includes(kind.toLowerCase()));
  const isNone = parts.length === 1 && parts[0] === 'none';
  if (!isNone && (kinds.length === 0 || kinds.length !== parts.length)) {
    throw armError('InvalidField', {
      field: 'identity.type',
      reason: `'${type.slice(0, 100)}' is none of None, SystemAssigned, UserAssigned and 'SystemAssigned,UserAssigned'`,
    });
  }
  const userAssigned = Object.keys(userAssignedIdentities ?? {});
  checkUserAssigned(userAssigned, kinds.includes('UserAssigned'));
  if (kinds.length === 2) return { type: 'SystemAssigned,UserAssigned', userAssigned };
  const [kind] = kinds;
  return kind === undefined ? undefined : { type: kind, userAssigned };
}

function checkUserAssigned(ids: readonly string[], isExpected: boolean): void {
  const field = 'identity.userAssignedIdentities';
  if (isExpected !== ids.length > 0) {
    throw armError('InvalidField', {
      field,
      reason: isExpected
        ? 'at least one is required with UserAssigned'
        : 'they go with UserAssigned and nothing else',
    });
  }
  const wrong = ids.find((id) => !USER_ASSIGNED_ID.test(id));
  if (wrong !== undefined) {
    throw armError('InvalidField', {
      field,
      reason: `'${wrong.slice(0, 100)}' is not the resource id of a user assigned identity`,
    });
  }
}

/** The ids of the identities are made of the account's and of theirs: there is no directory that gives them. */
export function identityAnswer(
  identity: AccountIdentity | undefined,
  mediaServiceId: string,
  tenantId: string,
): object {
  if (identity === undefined) return {};
  const { type, userAssigned } = identity;
  const userAssignedIdentities = Object.fromEntries(
    userAssigned.map((id) => {
      const key = id.toLowerCase();
      return [id, { principalId: guidOf(`principal ${key}`), clientId: guidOf(`client ${key}`) }];
    }),
  );
  return {
    identity: {
      type,
      ...(type === 'UserAssigned' ? {} : { principalId: guidOf(`principal ${mediaServiceId}`), tenantId }),
      ...(userAssigned.length > 0 ? { userAssignedIdentities } : {}),
    },
  };
}

function guidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  // RFC 9562 §5.8: version 8, made by a rule of its own.
  return hex.slice(0, 32).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-8$3-8$4-$5');
}
