import { z } from 'zod';
import { KeyDeliveryError } from './key-delivery-error.ts';

const KEYS_MAX = 32;
/** 16 bytes in base64url without padding: the last character has two bits that count. */
const KEY_ID = /^[\w-]{21}[AQgw]$/;

/** W3C Encrypted Media Extensions §9.1.3; other members are left alone. */
const LicenseRequest = z.object({
  kids: z.array(z.string().regex(KEY_ID)).min(1).max(KEYS_MAX),
  type: z.string().optional(),
});

/** The GUIDs of the keys that a license request asks for, each once; throws `KeyDeliveryError`. */
export function parseClearKeyRequest(body: Uint8Array): readonly string[] {
  const parsed = LicenseRequest.safeParse(parseJson(body));
  if (!parsed.success) throw new KeyDeliveryError('MalformedRequest', 'no license request');
  const { kids, type } = parsed.data;
  if (type !== undefined && type !== 'temporary') {
    throw new KeyDeliveryError('LicenseTypeNotSupported', 'license type');
  }
  return [...new Set(kids.map(guidOf))];
}

/** The license: a JSON Web Key Set (EME §9.1.4). */
export function writeClearKeyLicense(
  keys: readonly { readonly id: string; readonly value: Uint8Array }[],
): string {
  return JSON.stringify({
    keys: keys.map(({ id, value }) => ({
      kty: 'oct',
      k: Buffer.from(value).toString('base64url'),
      kid: Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url'),
    })),
    type: 'temporary',
  });
}

/** Key ids of EME are those of `tenc`: the bytes in the order in which a GUID is written. */
function guidOf(keyId: string): string {
  const hex = Buffer.from(keyId, 'base64url').toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}
