import { z } from 'zod';
import type { KeyDeliveryKind } from '../resources/key-delivery-addresses.ts';
import type { KeyLog, StoredKeyPolicy } from './key-ports.ts';
import type { ClaimRules } from './token-claims.ts';
import { type VerificationKey, verificationKeyOf } from './token-keys.ts';

/** A content key policy, ready to decide on requests. */
export interface DeliveryPolicy {
  readonly name: string;
  /** The ids of what it was made of. */
  readonly version: string;
  readonly options: readonly DeliveryOption[];
}

export interface DeliveryOption {
  /** Another one whenever the policy is written. */
  readonly id: string;
  readonly name: string | undefined;
  readonly kinds: readonly KeyDeliveryKind[];
  readonly restriction: { readonly kind: 'open' } | TokenRestriction;
}

export interface TokenRestriction {
  readonly kind: 'token';
  /** Of the option: what was found of a token counts for this alone. */
  readonly id: string;
  readonly tokenType: 'Jwt' | 'Swt';
  readonly rules: ClaimRules;
  readonly keys: readonly VerificationKey[];
  /** Where further keys are. */
  readonly discoveryUrl: string | undefined;
}

/** By the names of configurations: a policy's option serves what its configuration is for. */
const KINDS: Readonly<Record<string, readonly KeyDeliveryKind[]>> = {
  '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration': ['aes', 'clearKey'],
  '#Microsoft.Media.ContentKeyPolicyPlayReadyConfiguration': ['playReady'],
  '#Microsoft.Media.ContentKeyPolicyWidevineConfiguration': ['widevine'],
  '#Microsoft.Media.ContentKeyPolicyFairPlayConfiguration': ['fairPlay'],
};

/** As `resources/content-key-policy.ts` stores them: nulls are left out. */
const StoredRestriction = z.discriminatedUnion('@odata.type', [
  z.object({ '@odata.type': z.literal('#Microsoft.Media.ContentKeyPolicyOpenRestriction') }),
  z.object({
    '@odata.type': z.literal('#Microsoft.Media.ContentKeyPolicyTokenRestriction'),
    issuer: z.string(),
    audience: z.string(),
    restrictionTokenType: z.enum(['Jwt', 'Swt']),
    primaryVerificationKey: z.unknown(),
    alternateVerificationKeys: z.array(z.unknown()).default([]),
    requiredClaims: z
      .array(z.object({ claimType: z.string(), claimValue: z.string().optional() }))
      .default([]),
    openIdConnectDiscoveryDocument: z.string().optional(),
  }),
]);
type StoredRestriction = z.output<typeof StoredRestriction>;

const StoredDeliveryOption = z.object({
  policyOptionId: z.string(),
  name: z.string().optional(),
  configuration: z.object({ '@odata.type': z.string() }),
  restriction: z.unknown(),
});

/** What cannot be read lets nobody in, and is said in the log once. */
export function prepareDeliveryPolicy({ name, options }: StoredKeyPolicy, log: KeyLog): DeliveryPolicy {
  return {
    name,
    version: versionOf(options),
    options: options.flatMap((stored) => {
      const {
        policyOptionId: id,
        name: ownName,
        configuration,
        restriction,
      } = StoredDeliveryOption.parse(stored);
      const parsed = StoredRestriction.safeParse(restriction);
      if (!parsed.success) {
        log.warn('keys.restrictionUnreadable', { policy: name, option: id });
        return [];
      }
      const kinds = KINDS[configuration['@odata.type']] ?? [];
      const prepared = prepareRestriction(id, parsed.data, (problem) =>
        log.warn('keys.tokenKeyUnusable', { policy: name, option: id, problem }),
      );
      return [{ id, name: ownName, kinds, restriction: prepared }];
    }),
  };
}

/** Every change of a policy gives its options new ids. */
export const isSamePolicy = (prepared: DeliveryPolicy, { options }: StoredKeyPolicy): boolean =>
  prepared.version === versionOf(options);

const versionOf = (options: StoredKeyPolicy['options']): string =>
  options.map(({ policyOptionId }) => policyOptionId).join();

function prepareRestriction(
  id: string,
  stored: StoredRestriction,
  warn: (problem: string) => void,
): DeliveryOption['restriction'] {
  if (stored['@odata.type'] === '#Microsoft.Media.ContentKeyPolicyOpenRestriction') return { kind: 'open' };
  const { primaryVerificationKey: primary, alternateVerificationKeys: alternates } = stored;
  const keys = [...(primary == null ? [] : [primary]), ...alternates].flatMap((one) => {
    const key = verificationKeyOf(one);
    if (typeof key !== 'string') return [key];
    warn(key);
    return [];
  });
  return {
    kind: 'token',
    id,
    tokenType: stored.restrictionTokenType,
    rules: {
      issuer: stored.issuer,
      audience: stored.audience,
      requiredClaims: stored.requiredClaims.map(({ claimType: type, claimValue: value }) => ({
        type,
        value,
      })),
    },
    keys,
    discoveryUrl: stored.openIdConnectDiscoveryDocument,
  };
}
