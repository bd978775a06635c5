import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { MasterKeys } from './master-keys.ts';

const ALGORITHM = 'aes-256-gcm';
const VERSION = 'v1';
/** NIST SP 800-38D §8.2.2: random nonces of 96 bits are good for 2^32 envelopes of one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ENVELOPE = /^v1\.([0-9a-f]{16})\.([\w-]+)$/;

/**
 * Seals secrets for the disk: AES-256-GCM, a fresh nonce each time, the key's id in the envelope, and the identity of
 * the row as additional data, so that an envelope opens nowhere but where it was put.
 */
export interface Sealer {
  seal(secret: string, identity: string): string;
  /** Throws `SealBroken`. */
  open(envelope: string, identity: string): string;
  /** Whether the envelope was sealed with the key that seals now. */
  isCurrent(envelope: string): boolean;
  /** Whether there are keys that only open. */
  readonly hasOlderKeys: boolean;
}

/** The envelope cannot be opened: its master key is not in the file, or it is not what was sealed for this row. */
export class SealBroken extends Error {
  readonly code = 'SealBroken';
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'SealBroken';
  }
}

/** `owner` is the account: envelopes of one do not open in another. */
export function createSealer({ current, byId }: MasterKeys, owner: string): Sealer {
  const additionalData = (keyId: string, identity: string): Buffer =>
    Buffer.from(JSON.stringify([VERSION, keyId, owner.toLowerCase(), identity]));
  return {
    seal(secret, identity) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, current.key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(additionalData(current.id, identity));
      const sealed = Buffer.concat([
        nonce,
        cipher.update(secret, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return `${VERSION}.${current.id}.${sealed.toString('base64url')}`;
    },
    open(envelope, identity) {
      const [, keyId = '', text = ''] = ENVELOPE.exec(envelope) ?? [];
      const bytes = Buffer.from(text, 'base64url');
      if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new SealBroken('this is no sealed secret');
      const key = byId.get(keyId)?.key;
      if (key === undefined) throw new SealBroken(`there is no master key '${keyId}'`);
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(additionalData(keyId, identity));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        const sealed = bytes.subarray(NONCE_BYTES, -TAG_BYTES);
        return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8');
      } catch (cause) {
        throw new SealBroken(`the secret of '${identity}' is not what was sealed for it`, { cause });
      }
    },
    hasOlderKeys: byId.size > 1,
    isCurrent: (envelope) => envelope.startsWith(`${VERSION}.${current.id}.`),
  };
}
