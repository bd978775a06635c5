import type { Track } from './track.ts';

/**
 * `aes128`: whole segments in AES-128 CBC with PKCS#7 (HLS `AES-128`; the original's envelope encryption).
 * `cenc`: samples in AES-CTR, ISO/IEC 23001-7 §10.1. `cbcs`: samples in AES-CBC, one block of ten, §10.4.
 */
export type ProtectionScheme = 'aes128' | 'cenc' | 'cbcs';

/** A content key and how players come by it; what is absent is not signalled. */
export interface ProtectionKey {
  /** GUID, lower case, with hyphens. */
  readonly id: string;
  /** 16 bytes. Never logged, never in an answer but that of key delivery. */
  readonly value: Uint8Array;
  /** Where an `aes128` key is fetched. */
  readonly keyUrl?: string | undefined;
  readonly playReady?: { readonly licenseUrl: string; readonly customAttributes?: string | undefined };
  readonly widevine?: { readonly licenseUrl: string };
  /** `skd://…` */
  readonly fairPlay?: { readonly keyUri: string };
  /** W3C Clear Key, JSON licenses. */
  readonly clearKey?: { readonly licenseUrl: string };
}

/** How a presentation leaves the packager: its stored fragments are always clear. */
export interface Protection {
  readonly scheme: ProtectionScheme;
  /** 8 bytes that differ between recordings, so that one key in two of them repeats no initialization vector. */
  readonly ivSalt: Uint8Array;
  /** The key of a track; undefined: it stays in the clear. */
  readonly keyOf: (track: Track) => ProtectionKey | undefined;
}
