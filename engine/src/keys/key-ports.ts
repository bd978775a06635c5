import type { StoredOption } from '../resources/content-key-policy.ts';

export interface KeyLog {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

export interface Clock {
  nowMs(): number;
}

/** A content key with its value, and who uses it. */
export interface StoredContentKey {
  /** GUID in lower case. */
  readonly id: string;
  /** 16 bytes; never in a log. */
  readonly value: Uint8Array;
  readonly locators: readonly KeyLocator[];
}

/** What a streaming locator says of a content key. */
export interface KeyLocator {
  readonly startTimeMs: number | undefined;
  readonly endTimeMs: number;
  /** Of the content key policy that delivers the key; without one nobody delivers it. */
  readonly policyName: string | undefined;
}

export interface StoredKeyPolicy {
  readonly name: string;
  /** With their secrets; each has a new `policyOptionId` whenever the policy is written. */
  readonly options: readonly StoredOption[];
}

/** From where an account's keys may be asked for. */
export interface KeyAccount {
  readonly defaultAction: 'Allow' | 'Deny';
  /** Addresses and networks in CIDR notation. */
  readonly ipAllowList: readonly string[];
}

/** What key delivery reads of the control plane's state. Results may be remembered for some seconds. */
export interface KeyDirectory {
  /** Undefined: there is no such account, or it is being deleted. */
  findAccount(account: string): Promise<KeyAccount | undefined>;
  /** Undefined: there is no such key, or no locator uses it. */
  findContentKey(account: string, keyId: string): Promise<StoredContentKey | undefined>;
  findPolicy(account: string, name: string): Promise<StoredKeyPolicy | undefined>;
}

export interface TokenUse {
  readonly account: string;
  /** Of the token's signature, in hexadecimal. */
  readonly signatureHash: string;
  readonly usesMax: number;
  /** When the token is no good any more. */
  readonly endsAtMs: number;
}

/** Counts uses of tokens that may be used so often and no more, over all processes. */
export interface TokenUses {
  /** Throws when it cannot be counted. */
  take(use: TokenUse): Promise<'taken' | 'exhausted'>;
}

/** What is remembered of a delivery, for good. */
export interface AuditRecord {
  readonly atMs: number;
  readonly account: string;
  readonly kid: string;
  readonly kind: string;
  readonly client: string;
  readonly outcome: 'delivered' | 'refused' | 'failed';
  readonly status: number;
  /** Why it was refused. */
  readonly reason?: string | undefined;
  readonly policy?: string | undefined;
  /** The id of the option that let it through, and its name. */
  readonly option?: string | undefined;
  readonly optionName?: string | undefined;
  /** The first half of the token's SHA-256 in hexadecimal. */
  readonly token?: string | undefined;
}
