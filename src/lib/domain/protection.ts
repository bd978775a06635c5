import type { CpixKeyService } from './key-service.ts';

/** How one protocol is delivered. `aes128`: whole segments; the others: ISO common encryption. */
export type DeliveryMode = 'clear' | 'aes128' | 'cenc' | 'cbcs' | 'off';

export type Protocol = 'hls' | 'dash' | 'smooth';
export const PROTOCOLS = ['hls', 'dash', 'smooth'] as const;

/** Of whom players get licences: ours (null) or another server, by a URL template. */
interface LicenceServer {
  readonly licenceUrl: string | null;
}

/** The key systems that `cenc` and `cbcs` are signalled for; null: not for this one. */
export interface KeySystems {
  readonly playReady: (LicenceServer & { readonly customAttributes: string | null }) | null;
  readonly widevine: LicenceServer | null;
  readonly fairPlay: (LicenceServer & { readonly persistent: boolean }) | null;
  readonly clearKey: LicenceServer | null;
}

const KEY_SYSTEMS = [
  'playReady',
  'widevine',
  'fairPlay',
  'clearKey',
] as const satisfies readonly (keyof KeySystems)[];

/** The half of a profile that cannot change for what is published: it is in the addresses and in the media. */
export interface Delivery {
  readonly hls: DeliveryMode;
  readonly dash: DeliveryMode;
  readonly smooth: DeliveryMode;
  readonly download: boolean;
  /** Where AES-128 keys are, by a URL template; null: ours. */
  readonly keyUrl: string | null;
  readonly drm: KeySystems;
}

/** `hint` tells keys apart for people; `secret` names a value in the secret store. */
export type TokenKey =
  | { readonly type: 'generated'; readonly secret: string; readonly hint: string }
  | { readonly type: 'symmetric'; readonly secret: string; readonly hint: string }
  | { readonly type: 'rsa'; readonly modulus: string; readonly exponent: string; readonly hint: string }
  | { readonly type: 'x509'; readonly certificate: string; readonly hint: string };

export interface RequiredClaim {
  readonly type: string;
  /** Null: any value. */
  readonly value: string | null;
}

export interface TokenAccess {
  readonly access: 'token';
  readonly issuer: string;
  readonly audience: string;
  readonly tokenType: 'jwt' | 'swt';
  /** Null: only those of the OpenID discovery document. */
  readonly primaryKey: TokenKey | null;
  readonly alternateKeys: readonly TokenKey[];
  readonly openIdDiscoveryUrl: string | null;
  readonly requiredClaims: readonly RequiredClaim[];
  /** How often one token may be used; null: as often as one likes. */
  readonly useLimit: number | null;
  /** A token opens only the keys that it names. */
  readonly keyIdClaim: boolean;
}

/** The half of a profile that can change at any time: who gets keys. */
export type KeyAccess = { readonly access: 'open' } | TokenAccess;

export interface ProtectionProfile {
  readonly name: string;
  readonly id: string;
  readonly builtIn: boolean;
  readonly createdAtMs: number;
  /** Counts changes of what is wanted; the API's ETag. */
  readonly generation: number;
  readonly description: string;
  readonly keys: KeyAccess;
  /** Where content keys come from: `own`, or what a key service was configured as. */
  readonly keyProvider: KeyProviderSettings;
  readonly delivery: Delivery;
  /** Streaming policies that were made for it, to be removed when nobody uses them. */
  readonly streamingPolicies: readonly string[];
  readonly deleted: boolean;
}

export type KeyProviderSettings = { readonly kind: 'own' } | CpixKeyService;

export const OWN_KEYS: KeyProviderSettings = { kind: 'own' };

/** In the original's words, because tokens carry them (reference §4.1). */
export const KEY_ID_CLAIM = 'urn:microsoft:azure:mediaservices:contentkeyidentifier';
export const USE_LIMIT_CLAIM = 'urn:microsoft:azure:mediaservices:maxuses';

/** Who issues the tokens of built-in profiles, and for whom. */
export const TOKEN_ISSUER = 'headend';
export const TOKEN_AUDIENCE = 'headend';

/** The name of the secret that built-in profiles' tokens are signed with: one per installation. */
export const INSTALLATION_KEY = 'playback-token-key';

const NO_SYSTEMS: KeySystems = { playReady: null, widevine: null, fairPlay: null, clearKey: null };
const OURS: LicenceServer = { licenceUrl: null };

const OWN_TOKENS: TokenAccess = {
  access: 'token',
  issuer: TOKEN_ISSUER,
  audience: TOKEN_AUDIENCE,
  tokenType: 'jwt',
  primaryKey: { type: 'generated', secret: INSTALLATION_KEY, hint: 'installation' },
  alternateKeys: [],
  openIdDiscoveryUrl: null,
  requiredClaims: [],
  useLimit: null,
  keyIdClaim: true,
};

const builtIn = (
  name: string,
  profile: Pick<ProtectionProfile, 'description' | 'keys'> & {
    readonly modes: Pick<Delivery, Protocol>;
    readonly drm?: KeySystems;
  },
): ProtectionProfile => ({
  name,
  id: `built-in-${name}`,
  builtIn: true,
  createdAtMs: 0,
  generation: 1,
  description: profile.description,
  keys: profile.keys,
  keyProvider: OWN_KEYS,
  delivery: { ...profile.modes, download: false, keyUrl: null, drm: profile.drm ?? NO_SYSTEMS },
  streamingPolicies: [],
  deleted: false,
});

export const BUILT_IN_PROFILES: readonly ProtectionProfile[] = [
  builtIn('aes', {
    description: 'AES-128; keys for who has a token of POST /playback-tokens.',
    keys: OWN_TOKENS,
    modes: { hls: 'aes128', dash: 'aes128', smooth: 'aes128' },
  }),
  builtIn('clear', {
    description: 'Not encrypted: who knows the address can play it.',
    keys: { access: 'open' },
    modes: { hls: 'clear', dash: 'clear', smooth: 'clear' },
  }),
  builtIn('clearkey', {
    description: 'Common encryption with W3C Clear Key: every browser, without a licence server of a vendor.',
    keys: OWN_TOKENS,
    modes: { hls: 'cbcs', dash: 'cenc', smooth: 'off' },
    drm: { ...NO_SYSTEMS, clearKey: OURS },
  }),
  builtIn('drm', {
    description: 'PlayReady and Widevine (cenc), FairPlay (cbcs); licences are a vendor’s, by way of ours.',
    keys: OWN_TOKENS,
    modes: { hls: 'cbcs', dash: 'cenc', smooth: 'cenc' },
    drm: {
      playReady: { ...OURS, customAttributes: null },
      widevine: OURS,
      fairPlay: { ...OURS, persistent: false },
      clearKey: null,
    },
  }),
];

export const findBuiltInProfile = (name: string): ProtectionProfile | undefined =>
  BUILT_IN_PROFILES.find((profile) => profile.name === name);

export type Scheme = 'aes128' | 'cenc' | 'cbcs';

/** One content key that what is protected needs. Each scheme has a key of its own. */
export interface KeyLabel {
  readonly label: string;
  readonly scheme: Scheme;
}

/** The labels of the service's predefined policies, so that keys stay when a policy of ours takes their place. */
const LABELS: Readonly<Record<Scheme, string>> = {
  aes128: 'clearKeyDefault',
  cenc: 'cencKeyDefault',
  cbcs: 'cbcsKeyDefault',
};
export const SCHEMES = ['aes128', 'cenc', 'cbcs'] as const;

export const labelOf = (scheme: Scheme): string => LABELS[scheme];

/** The protocols that are delivered this way. */
export const protocolsOf = (delivery: Delivery, mode: DeliveryMode): readonly Protocol[] =>
  PROTOCOLS.filter((protocol) => delivery[protocol] === mode);

export const schemesOf = (delivery: Delivery): readonly Scheme[] =>
  SCHEMES.filter((scheme) => protocolsOf(delivery, scheme).length > 0);

export const keyLabelsOf = (delivery: Delivery): readonly KeyLabel[] =>
  schemesOf(delivery).map((scheme) => ({ scheme, label: LABELS[scheme] }));

/** What our key delivery is asked for, and so what the content key policy has options for. */
export type KeyOption = 'clearKey' | 'playReady' | 'widevine';

/**
 * The key systems that our key delivery serves; those of other licence servers are none of its business, and a policy
 * that does not name a system never gives its kind of key away. FairPlay needs its owner's certificate: there is none.
 */
export function keyOptionsOf({ hls, dash, smooth, keyUrl, drm }: Delivery): readonly KeyOption[] {
  const modes = [hls, dash, smooth];
  const isCommon = modes.includes('cenc') || modes.includes('cbcs');
  const isOurs = (server: LicenceServer | null): boolean => isCommon && server?.licenceUrl === null;
  const options: [KeyOption, boolean][] = [
    ['clearKey', (modes.includes('aes128') && keyUrl === null) || isOurs(drm.clearKey)],
    ['playReady', isOurs(drm.playReady)],
    ['widevine', isOurs(drm.widevine)],
  ];
  return options.filter(([, wanted]) => wanted).map(([option]) => option);
}

/** The key systems that somebody gives licences of. */
export const keySystemsOf = ({ drm }: Delivery): readonly (keyof KeySystems)[] =>
  KEY_SYSTEMS.filter((system) => drm[system] !== null);

export const isEncrypted = (delivery: Delivery): boolean => schemesOf(delivery).length > 0;

/** The name in the media service of who gets a profile's keys; the same as long as the profile is there. */
export const keyPolicyNameOf = ({ name }: ProtectionProfile): string => `headend-${name}`;
