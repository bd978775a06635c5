import { z } from 'zod';
import { StreamingPolicyProperties } from '../contract/metadata.ts';
import { type AccountScope, auditRecord, type Caller, newAudit, systemData } from './account-scope.ts';
import { withoutNulls } from './content-key-field.ts';

export type StreamingPolicyRules = Omit<z.output<typeof StreamingPolicyProperties>, 'created'>;
export type EnabledProtocols = NonNullable<
  NonNullable<StreamingPolicyRules['noEncryption']>['enabledProtocols']
>;

/** Create-only, so what is copied from one stays true. */
export const StreamingPolicyRecord = z.object({ ...auditRecord, rules: StreamingPolicyProperties });
export type StreamingPolicyRecord = z.output<typeof StreamingPolicyRecord>;

/** A predefined policy or one of the account's own. */
export interface StreamingPolicy {
  readonly name: string;
  readonly created: string;
  readonly rules: StreamingPolicyRules;
}

export type EncryptionScheme = 'EnvelopeEncryption' | 'CommonEncryptionCenc' | 'CommonEncryptionCbcs';

/** One content key that a locator with the policy has. */
export interface PolicyContentKey {
  readonly type: EncryptionScheme;
  readonly label: string | undefined;
  /** Of the content key policy that delivers it, where the streaming policy names one for this key. */
  readonly policyName: string | undefined;
  readonly tracks: readonly object[];
}

/** Parts of a policy that encrypt, in the order of answers. */
export const ENCRYPTIONS = [
  { field: 'envelopeEncryption', type: 'EnvelopeEncryption' },
  { field: 'commonEncryptionCenc', type: 'CommonEncryptionCenc' },
  { field: 'commonEncryptionCbcs', type: 'CommonEncryptionCbcs' },
] as const satisfies readonly { field: keyof StreamingPolicyRules; type: EncryptionScheme }[];

/** Every content key of a policy, by scheme; the default key of a scheme first. */
export function policyContentKeys(rules: StreamingPolicyRules): readonly PolicyContentKey[] {
  return ENCRYPTIONS.flatMap(({ field, type }) => {
    const { defaultKey, keyToTrackMappings } = rules[field]?.contentKeys ?? {};
    const all = [
      ...(defaultKey == null ? [] : [{ ...defaultKey, tracks: [] }]),
      ...(keyToTrackMappings ?? []),
    ];
    return all.map(({ label, policyName, tracks }) => ({
      type,
      label: label ?? undefined,
      policyName: policyName ?? undefined,
      tracks: tracks ?? [],
    }));
  });
}

/** What a policy lets through in the clear; undefined where that is nothing. */
export function clearProtocolsOf(rules: StreamingPolicyRules): EnabledProtocols | undefined {
  return rules.noEncryption?.enabledProtocols ?? undefined;
}

/** What a policy lets through with one encryption or another; undefined where that is nothing. */
export function encryptedProtocolsOf(rules: StreamingPolicyRules): EnabledProtocols | undefined {
  const enabled = ENCRYPTIONS.map(({ field }) => rules[field]?.enabledProtocols).filter((one) => one != null);
  if (enabled.length === 0) return undefined;
  return {
    download: enabled.some(({ download }) => download),
    dash: enabled.some(({ dash }) => dash),
    hls: enabled.some(({ hls }) => hls),
    smoothStreaming: enabled.some(({ smoothStreaming }) => smoothStreaming),
  };
}

// As the service answers it (reference §3.3).
const CREATED = '2018-03-19T06:06:06Z';

const protocols = (download: boolean, dash: boolean, hls: boolean, smooth: boolean): EnabledProtocols => ({
  download,
  dash,
  hls,
  smoothStreaming: smooth,
});

const predefined = (name: string, rules: StreamingPolicyRules): StreamingPolicy => ({
  name,
  created: CREATED,
  rules,
});

const clear = (name: string, enabledProtocols: EnabledProtocols): StreamingPolicy =>
  predefined(name, { noEncryption: { enabledProtocols } });

const keys = (label: string) => ({
  clearTracks: [],
  contentKeys: { defaultKey: { label }, keyToTrackMappings: [] },
});

const CENC = {
  enabledProtocols: protocols(false, true, false, true),
  ...keys('cencKeyDefault'),
  drm: { playReady: {}, widevine: {} },
};

/** In the order of the list: by name. */
export const PREDEFINED_POLICIES: readonly StreamingPolicy[] = [
  predefined('Predefined_ClearKey', {
    envelopeEncryption: { enabledProtocols: protocols(false, true, true, true), ...keys('clearKeyDefault') },
  }),
  clear('Predefined_ClearStreamingOnly', protocols(false, true, true, true)),
  clear('Predefined_DownloadAndClearStreaming', protocols(true, true, true, true)),
  clear('Predefined_DownloadOnly', protocols(true, false, false, false)),
  predefined('Predefined_MultiDrmCencStreaming', { commonEncryptionCenc: CENC }),
  predefined('Predefined_MultiDrmStreaming', {
    commonEncryptionCenc: CENC,
    commonEncryptionCbcs: {
      enabledProtocols: protocols(false, false, true, false),
      ...keys('cbcsKeyDefault'),
      drm: { fairPlay: { allowPersistentLicense: false } },
    },
  }),
];

export function findPredefinedPolicy(name: string): StreamingPolicy | undefined {
  return PREDEFINED_POLICIES.find((policy) => policy.name.toLowerCase() === name.toLowerCase());
}

/** `rules` have been checked. */
export function newStreamingPolicy(
  rules: StreamingPolicyRules,
  fresh: { readonly name: string; readonly caller: Caller; readonly nowIso: string },
): StreamingPolicyRecord {
  return {
    name: fresh.name,
    ...newAudit(fresh.caller, fresh.nowIso),
    rules: StreamingPolicyProperties.parse(withoutNulls(rules)),
  };
}

export function toArmStreamingPolicy(
  scope: AccountScope,
  policy: StreamingPolicy | StreamingPolicyRecord,
  view: { readonly single: boolean },
): object {
  return {
    name: policy.name,
    id: `${scope.accountId}/streamingPolicies/${policy.name}`,
    type: 'Microsoft.Media/mediaservices/streamingPolicies',
    properties: { created: policy.created, ...policy.rules },
    ...(view.single && 'createdBy' in policy ? { systemData: systemData(policy) } : {}),
  };
}
