import { z } from 'zod';

const URL_MAX = 2048;
const SECRET_CHARS_MAX = 8192;
const PEM_MAX = 16_384;
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost']);
/** What the request says itself, and what would take it apart. */
const HEADERS_OF_OURS =
  /^(host|content-.*|transfer-encoding|connection|accept|expect|upgrade|te|trailer|x-speke-.*)$/i;

/** Keys come in its answers: in the clear only on this machine. */
function isPrivate(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname));
}

const header = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'the name of a header')
  .refine((name) => !HEADERS_OF_OURS.test(name), 'a header that the request has anyway')
  .default('authorization');

/** A key service of somebody else (CPIX 2.3 as SPEKE 2.0 has it). */
export const KeyServiceBody = z
  .strictObject({
    type: z.literal('cpix'),
    url: z.string().max(URL_MAX).refine(isPrivate, 'an absolute https URL without user name'),
    contentIdPrefix: z
      .string()
      .max(64)
      .regex(/^[\w.:-]*$/, 'letters, digits, and _ . : -')
      .default('')
      .describe('in front of the ids that programs are named by to the service'),
    authorization: z
      .union([
        z.strictObject({
          header,
          value: z
            .string()
            .min(1)
            .max(SECRET_CHARS_MAX)
            .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'printable ASCII')
            .describe('a secret, never shown again'),
        }),
        z.strictObject({ header, hint: z.string().min(1).max(64).describe('the value that is stored') }),
      ])
      .nullable()
      .default(null)
      .describe('a header that the service wants'),
    encryption: z
      .union([
        z.strictObject({
          certificate: z.string().min(1).max(PEM_MAX).describe('X.509 of an RSA key: PEM, or DER in base64'),
          privateKey: z.string().min(1).max(PEM_MAX).describe('PEM; a secret, never shown again'),
        }),
        z.strictObject({ hint: z.string().min(1).max(64).describe('the pair that is stored') }),
      ])
      .nullable()
      .default(null)
      .describe('whom the service encrypts keys for; null: they come in the clear inside TLS'),
  })
  .describe('a key service that speaks SPEKE 2.0 (CPIX 2.3)');

export type KeyServiceBody = z.output<typeof KeyServiceBody>;

export const KeyServiceAnswer = z.object({
  type: z.literal('cpix'),
  url: z.string(),
  contentIdPrefix: z.string(),
  authorization: z.object({ header: z.string(), hint: z.string() }).nullable(),
  encryption: z
    .object({ hint: z.string().describe('of the certificate: its SHA-256 fingerprint') })
    .nullable(),
});
