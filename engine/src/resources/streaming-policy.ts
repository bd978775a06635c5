import type { AccountScope } from './account-scope.ts';

interface EnabledProtocols {
  readonly download: boolean;
  readonly dash: boolean;
  readonly hls: boolean;
  readonly smoothStreaming: boolean;
}

export interface StreamingPolicy {
  readonly name: string;
  /** Undefined where the policy lets nothing through in the clear. */
  readonly clearProtocols: EnabledProtocols | undefined;
  readonly properties: object;
}

// As the service answers it (reference §3.3).
const CREATED = '2018-03-19T06:06:06Z';

const protocols = (download: boolean, dash: boolean, hls: boolean, smooth: boolean): EnabledProtocols => ({
  download,
  dash,
  hls,
  smoothStreaming: smooth,
});

const clear = (name: string, enabledProtocols: EnabledProtocols): StreamingPolicy => ({
  name,
  clearProtocols: enabledProtocols,
  properties: { created: CREATED, noEncryption: { enabledProtocols } },
});

const encrypted = (name: string, properties: object): StreamingPolicy => ({
  name,
  clearProtocols: undefined,
  properties: { created: CREATED, ...properties },
});

const keys = (label: string) => ({
  clearTracks: [],
  contentKeys: { defaultKey: { label }, keyToTrackMappings: [] },
});

/** In the order of the list: by name. */
export const PREDEFINED_POLICIES: readonly StreamingPolicy[] = [
  encrypted('Predefined_ClearKey', {
    envelopeEncryption: {
      enabledProtocols: protocols(false, true, true, true),
      ...keys('clearKeyDefault'),
    },
  }),
  clear('Predefined_ClearStreamingOnly', protocols(false, true, true, true)),
  clear('Predefined_DownloadAndClearStreaming', protocols(true, true, true, true)),
  clear('Predefined_DownloadOnly', protocols(true, false, false, false)),
  encrypted('Predefined_MultiDrmCencStreaming', {
    commonEncryptionCenc: {
      enabledProtocols: protocols(false, true, false, true),
      ...keys('cencKeyDefault'),
      drm: { playReady: {}, widevine: {} },
    },
  }),
  encrypted('Predefined_MultiDrmStreaming', {
    commonEncryptionCenc: {
      enabledProtocols: protocols(false, true, false, true),
      ...keys('cencKeyDefault'),
      drm: { playReady: {}, widevine: {} },
    },
    commonEncryptionCbcs: {
      enabledProtocols: protocols(false, false, true, false),
      ...keys('cbcsKeyDefault'),
      drm: { fairPlay: { allowPersistentLicense: false } },
    },
  }),
];

export function findStreamingPolicy(name: string): StreamingPolicy | undefined {
  return PREDEFINED_POLICIES.find((policy) => policy.name.toLowerCase() === name.toLowerCase());
}

export function toArmStreamingPolicy(scope: AccountScope, policy: StreamingPolicy): object {
  return {
    name: policy.name,
    id: `${scope.accountId}/streamingPolicies/${policy.name}`,
    type: 'Microsoft.Media/mediaservices/streamingPolicies',
    properties: policy.properties,
  };
}
