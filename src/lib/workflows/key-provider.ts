/** The key systems that a content key can be used with; names are ours. */
export type KeySystem = 'widevine' | 'playReady' | 'fairPlay' | 'clearKey' | 'aes128';

export interface WantedKey {
  /** What the key is for, told apart within one request: `cenc`, `cbcs`, `cbcs-audio`. */
  readonly label: string;
  /** Lower-case GUID that the key must have; chosen by the provider when it is left out. */
  readonly kid?: string;
  readonly scheme: 'cenc' | 'cbcs' | 'aes128';
  /** What it protects; undefined: all tracks. */
  readonly track?: 'audio' | 'video';
}

export interface ProvidedKey {
  readonly label: string;
  /** Lower-case GUID. */
  readonly kid: string;
  /** 16 bytes in base64: a secret. */
  readonly value: string;
}

export interface KeysRequest {
  /** Names the content for the provider: the same content gets the same keys. 1 to 128 characters. */
  readonly contentId: string;
  readonly keys: readonly WantedKey[];
  readonly systems: readonly KeySystem[];
}

/** `later`: ask again. `refused`: asking again does not help. Neither has anything of a key in its message. */
export type KeysOutcome =
  | { readonly kind: 'keys'; readonly keys: readonly ProvidedKey[] }
  | { readonly kind: 'later'; readonly code: string; readonly message: string }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** Where content keys come from: one answer per wanted key, in the order asked. Does not throw. */
export interface KeyProvider {
  keysFor(request: KeysRequest): Promise<KeysOutcome>;
}
