import { z } from 'zod';
import { description } from './fields.ts';
import { KeyServiceAnswer, KeyServiceBody } from './key-service-body.ts';

const ALTERNATE_KEYS_MAX = 20;
/** The media service takes 30; two are ours. */
const REQUIRED_CLAIMS_MAX = 28;
const TEXT_MAX = 512;
const URL_MAX = 2048;
const USES_MAX = 1000;
/** RFC 7518 §3.2: a key of HS256 has at least 256 bits; 1024 bytes is the media service's limit. */
const KEY_BYTES = { min: 32, max: 1024 } as const;
const CERTIFICATE_MAX = 16_384;

const text = z.string().min(1).max(TEXT_MAX);
const hint = z.string().min(1).max(64);

const bytesOf = (value: string): number => (value.replaceAll('=', '').length * 3) >> 2;
const base64 = z.union([z.base64(), z.base64url()]);
const sized = ({ min, max }: { min: number; max: number }) =>
  z
    .string()
    .max(2 * max)
    .refine((value) => base64.safeParse(value).success, 'base64')
    .refine((value) => bytesOf(value) >= min && bytesOf(value) <= max, `${min} to ${max} bytes`);

const TokenKeyBody = z
  .union([
    z.strictObject({
      type: z.literal('generated'),
      hint: hint.optional().describe('one of the keys that are stored; without it a key is made'),
    }),
    z.strictObject({ type: z.literal('symmetric'), value: sized(KEY_BYTES).describe('a secret, in base64') }),
    z.strictObject({ type: z.literal('symmetric'), hint: hint.describe('one of the keys that are stored') }),
    z.strictObject({
      type: z.literal('rsa'),
      modulus: sized({ min: 256, max: 1024 }).describe('2048 bits or more, in base64'),
      exponent: sized({ min: 1, max: 8 }),
    }),
    z.strictObject({
      type: z.literal('x509'),
      certificate: z.string().min(1).max(CERTIFICATE_MAX).describe('PEM, or DER in base64'),
    }),
  ])
  .describe('what tokens are checked with; symmetric keys are never shown again');

const webUrl = z
  .string()
  .max(URL_MAX)
  .refine((value) => isUrl(value, ['https:', 'http:']), 'an absolute http or https URL');

/** Where the media service puts what it knows. */
const filled = (template: string): string =>
  template.replace(/\{(?:AlternativeMediaId|ContentKeyId)\}/gi, 'x');

function isUrl(template: string, schemes: readonly string[]): boolean {
  const url = filled(template);
  return URL.canParse(url) && schemes.includes(new URL(url).protocol);
}

const template = (schemes: readonly string[], told: string) =>
  z
    .string()
    .max(URL_MAX)
    .refine((value) => isUrl(value, schemes), `an absolute URL: ${told}`)
    .nullable()
    .default(null);

const licenceUrl = template(['https:', 'http:'], 'http or https').describe(
  'of another licence server; {ContentKeyId} and {AlternativeMediaId} are replaced. null: ours',
);
const fairPlayUrl = template(['https:', 'http:', 'skd:'], 'skd, http or https').describe(
  'of another licence server; {ContentKeyId} and {AlternativeMediaId} are replaced. null: ours',
);
const clearKeyUrl = licenceUrl.refine(
  (value) => value === null || !/\{ContentKeyId\}/i.test(value),
  'only {AlternativeMediaId} is replaced here',
);

const TokenAccessBody = z
  .strictObject({
    access: z.literal('token'),
    issuer: text.default('headend'),
    audience: text.default('headend'),
    tokenType: z.enum(['jwt', 'swt']).default('jwt'),
    primaryKey: TokenKeyBody.nullable()
      .default({ type: 'generated' })
      .describe('null: only those of the OpenID discovery document'),
    alternateKeys: z.array(TokenKeyBody).max(ALTERNATE_KEYS_MAX).default([]),
    openIdDiscoveryUrl: webUrl.nullable().default(null),
    requiredClaims: z
      .array(z.strictObject({ type: text, value: text.nullable().default(null).describe('null: any value') }))
      .max(REQUIRED_CLAIMS_MAX)
      .default([]),
    useLimit: z
      .int()
      .min(1)
      .max(USES_MAX)
      .nullable()
      .default(null)
      .describe('tokens must be limited in their uses, and those that are issued here are to so many'),
    keyIdClaim: z.boolean().default(true).describe('a token opens only the keys that it names'),
  })
  .superRefine((token, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    if (token.primaryKey === null && token.openIdDiscoveryUrl === null)
      refuse(['primaryKey'], 'a key or openIdDiscoveryUrl is needed');
    if (token.tokenType === 'jwt') return;
    if (token.openIdDiscoveryUrl !== null) refuse(['openIdDiscoveryUrl'], 'simple web tokens have none');
    const keys = [
      { path: ['primaryKey'], key: token.primaryKey },
      ...token.alternateKeys.map((key, index) => ({ path: ['alternateKeys', index], key })),
    ];
    for (const { path, key } of keys) {
      if (key?.type === 'rsa' || key?.type === 'x509')
        refuse(path, 'simple web tokens are signed with a symmetric key');
    }
  });

const mode = z.enum(['clear', 'aes128', 'cenc', 'cbcs', 'off']);

const DeliveryBody = z
  .strictObject({
    hls: mode.default('off'),
    dash: mode.default('off'),
    smooth: z.enum(['clear', 'aes128', 'cenc', 'off']).default('off').describe('it has no cbcs'),
    download: z.boolean().default(false).describe('the files of what is finished, in the clear'),
    keyUrl: template(['https:', 'http:'], 'http or https').describe(
      'where AES-128 keys are; {ContentKeyId} and {AlternativeMediaId} are replaced. null: ours',
    ),
    drm: z
      .strictObject({
        playReady: z
          .strictObject({ licenceUrl, customAttributes: z.string().max(URL_MAX).nullable().default(null) })
          .nullable()
          .default(null),
        widevine: z.strictObject({ licenceUrl }).nullable().default(null),
        fairPlay: z
          .strictObject({
            licenceUrl: fairPlayUrl,
            persistent: z.boolean().default(false).describe('licences may be kept for playing offline'),
          })
          .nullable()
          .default(null),
        clearKey: z.strictObject({ licenceUrl: clearKeyUrl }).nullable().default(null),
      })
      .default({ playReady: null, widevine: null, fairPlay: null, clearKey: null })
      .describe('the key systems that cenc and cbcs are signalled for'),
  })
  .superRefine((delivery, context) => {
    const { hls, dash, smooth, download, drm } = delivery;
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    const modes: readonly string[] = [hls, dash, smooth];
    const encrypted = modes.some((one) => one !== 'clear' && one !== 'off');
    if (modes.every((one) => one === 'off') && !download) refuse([], 'nothing is delivered');
    if (download && encrypted) refuse(['download'], 'downloads are in the clear: what is encrypted has none');
    if (delivery.keyUrl !== null && !modes.includes('aes128')) refuse(['keyUrl'], 'nothing is aes128');
    if (drm.fairPlay !== null && !modes.includes('cbcs'))
      refuse(['drm', 'fairPlay'], 'FairPlay plays cbcs only');
    const others = [drm.playReady, drm.widevine, drm.clearKey].some((one) => one !== null);
    if (modes.includes('cenc') && !others)
      refuse(['drm'], 'cenc needs one of playReady, widevine and clearKey');
    if (modes.includes('cbcs') && !others && drm.fairPlay === null)
      refuse(['drm'], 'cbcs needs at least one key system');
    if (others && !modes.includes('cenc') && !modes.includes('cbcs'))
      refuse(['drm'], 'nothing is cenc or cbcs');
  });

/** What is wanted of a protection profile. */
export const ProtectionProfileBody = z
  .strictObject({
    description: description.default(''),
    keys: z
      .union([z.strictObject({ access: z.literal('open') }), TokenAccessBody])
      .prefault({ access: 'token' })
      .describe('who gets keys; it can change at any time and reaches what is on air'),
    keyProvider: z
      .union([z.literal('own'), KeyServiceBody])
      .default('own')
      .describe('where content keys come from; `own`: random ones of ours'),
    delivery: DeliveryBody.describe('how viewers get it; fixed while something with it is published'),
  })
  .refine(
    ({ keyProvider, delivery: { hls, dash, smooth } }) =>
      keyProvider === 'own' || ![hls, dash, smooth].includes('aes128'),
    { path: ['keyProvider'], message: 'a key service has no keys for aes128' },
  )
  .meta({ id: 'ProtectionProfileBody' });

export type ProtectionProfileBody = z.output<typeof ProtectionProfileBody>;
export type TokenKeyBody = z.output<typeof TokenKeyBody>;

const tokenKeyAnswer = z.object({
  type: z.enum(['generated', 'symmetric', 'rsa', 'x509']),
  hint: z.string().describe('tells keys apart; of a certificate its SHA-256 fingerprint'),
});
const server = z.object({ licenceUrl: z.string().nullable() });

export const ProtectionProfileAnswer = z
  .object({
    name: z.string(),
    description: z.string(),
    builtIn: z.boolean(),
    keys: z.union([
      z.object({ access: z.literal('open') }),
      z.object({
        access: z.literal('token'),
        issuer: z.string(),
        audience: z.string(),
        tokenType: z.enum(['jwt', 'swt']),
        primaryKey: tokenKeyAnswer.nullable(),
        alternateKeys: z.array(tokenKeyAnswer),
        openIdDiscoveryUrl: z.string().nullable(),
        requiredClaims: z.array(z.object({ type: z.string(), value: z.string().nullable() })),
        useLimit: z.number().nullable(),
        keyIdClaim: z.boolean(),
      }),
    ]),
    keyProvider: z.union([z.literal('own'), KeyServiceAnswer]),
    delivery: z.object({
      hls: mode,
      dash: mode,
      smooth: mode,
      download: z.boolean(),
      keyUrl: z.string().nullable(),
      drm: z.object({
        playReady: server.extend({ customAttributes: z.string().nullable() }).nullable(),
        widevine: server.nullable(),
        fairPlay: server.extend({ persistent: z.boolean() }).nullable(),
        clearKey: server.nullable(),
      }),
    }),
    issuesTokens: z.boolean().describe('POST /playback-tokens can sign tokens for it'),
    createdAt: z.iso.datetime().nullable(),
    href: z.string(),
  })
  .meta({ id: 'ProtectionProfile' });
