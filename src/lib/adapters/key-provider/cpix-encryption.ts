import {
  constants,
  createDecipheriv,
  createHmac,
  type KeyObject,
  privateDecrypt,
  timingSafeEqual,
} from 'node:crypto';
import { z } from 'zod';

/** Whom content keys are encrypted for. */
export interface Recipient {
  /** DER in base64. */
  readonly certificate: string;
  readonly privateKey: KeyObject;
}

/** What CPIX 2.3 encrypts keys with; it has no others. */
const ALGORITHMS = {
  content: 'http://www.w3.org/2001/04/xmlenc#aes256-cbc',
  key: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
  mac: 'http://www.w3.org/2001/04/xmldsig-more#hmac-sha512',
} as const;
const DOCUMENT_KEY_BYTES = 32;
const MAC_KEY_BYTES_MIN = 32;
const BLOCK_BYTES = 16;
const RECIPIENTS_MAX = 32;
const CIPHER_TEXT_MAX = 4096;

const algorithm = (value: string) => z.object({ '@Algorithm': z.literal(value) });
const EncryptedValue = (method: string) =>
  z.object({
    EncryptionMethod: algorithm(method),
    CipherData: z.object({ CipherValue: z.string().max(CIPHER_TEXT_MAX) }),
  });
const EncryptedKey = EncryptedValue(ALGORITHMS.key);

/** What an answer says to each recipient of it. */
export const DeliveryDataList = z.object({
  DeliveryData: z
    .array(
      z.object({
        DeliveryKey: z.object({ X509Data: z.object({ X509Certificate: z.string() }) }),
        DocumentKey: algorithm(ALGORITHMS.content).extend({
          Data: z.object({ Secret: z.object({ EncryptedValue: EncryptedKey }) }),
        }),
        MACMethod: algorithm(ALGORITHMS.mac).extend({
          // The schema has the encrypted data here, and SPEKE's examples a value that has it.
          Key: z.union([z.object({ EncryptedValue: EncryptedKey }), EncryptedKey]),
        }),
      }),
    )
    .max(RECIPIENTS_MAX),
});

const EncryptedSecret = z.object({
  EncryptedValue: EncryptedValue(ALGORITHMS.content),
  ValueMAC: z.string().max(CIPHER_TEXT_MAX),
});

/** Decrypts the secrets of one document; undefined: it is not as its sender has made it. */
export type SecretReader = (secret: unknown) => Buffer | undefined;

/** Undefined: it is for nobody of this certificate and key. */
export function secretReader(
  list: z.output<typeof DeliveryDataList>,
  { certificate, privateKey }: Recipient,
): SecretReader | undefined {
  const ours = list.DeliveryData.find(
    ({ DeliveryKey }) => bytesOf(DeliveryKey.X509Data.X509Certificate).toString('base64') === certificate,
  );
  if (ours === undefined) return undefined;
  const { Key } = ours.MACMethod;
  const unwrap = (value: z.output<typeof EncryptedKey>): Buffer | undefined => {
    try {
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return privateDecrypt({ key: privateKey, padding, oaepHash: 'sha1' }, cipherOf(value));
    } catch {
      return undefined;
    }
  };
  const documentKey = unwrap(ours.DocumentKey.Data.Secret.EncryptedValue);
  const macKey = unwrap('EncryptedValue' in Key ? Key.EncryptedValue : Key);
  if (documentKey?.length !== DOCUMENT_KEY_BYTES || macKey === undefined) return undefined;
  return macKey.length < MAC_KEY_BYTES_MIN ? undefined : (secret) => decrypt(secret, { documentKey, macKey });
}

/** The initialization vector is in front of what it is for, and both are signed. */
function decrypt(
  secret: unknown,
  { documentKey, macKey }: { readonly documentKey: Buffer; readonly macKey: Buffer },
): Buffer | undefined {
  const parsed = EncryptedSecret.safeParse(secret);
  if (!parsed.success) return undefined;
  const value = cipherOf(parsed.data.EncryptedValue);
  const [said, mac] = [bytesOf(parsed.data.ValueMAC), createHmac('sha512', macKey).update(value).digest()];
  if (said.length !== mac.length || !timingSafeEqual(said, mac)) return undefined;
  if (value.length < 2 * BLOCK_BYTES) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-cbc', documentKey, value.subarray(0, BLOCK_BYTES));
    return Buffer.concat([decipher.update(value.subarray(BLOCK_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

const cipherOf = ({ CipherData }: { readonly CipherData: { readonly CipherValue: string } }): Buffer =>
  bytesOf(CipherData.CipherValue);

/** Base64 may have line breaks in XML. */
const bytesOf = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'base64');
