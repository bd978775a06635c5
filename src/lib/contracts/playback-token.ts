import { z } from 'zod';
import { isReservedClaim, LIFETIME_MS_MAX, LIFETIME_MS_MIN } from '../domain/playback-token.ts';
import { channelName, duration, programName } from './fields.ts';
import { videoName } from './video-body.ts';

const CLAIMS_MAX = 30;
/** Tokens travel in headers and addresses. */
const CLAIMS_CHARS_MAX = 2048;
const CLAIM_VALUES_MAX = 20;
const USES_MAX = 1_000_000;
const VIDEO = /^\/api\/v1\/videos\/([^/]+)$/;
const PROGRAM = /^\/api\/v1\/channels\/([^/]+)\/programs\/([^/]+)$/;

const claimText = z.string().max(512);

export const PlaybackTokenBody = z
  .strictObject({
    program: z
      .string()
      .max(200)
      .transform((href, context) => {
        const [, channel, program] = PROGRAM.exec(href) ?? [];
        const parsed = z
          .object({ channel: channelName, program: programName })
          .safeParse({ channel, program });
        if (parsed.success) return parsed.data;
        context.addIssue({
          code: 'custom',
          message: '`href` of a program: /api/v1/channels/{channel}/programs/{program}',
        });
        return z.NEVER;
      })
      .optional()
      .describe('`href` of the program'),
    video: z
      .string()
      .max(200)
      .transform((href, context) => {
        const parsed = videoName.safeParse(VIDEO.exec(href)?.[1]);
        if (parsed.success) return parsed.data;
        context.addIssue({ code: 'custom', message: '`href` of a video: /api/v1/videos/{video}' });
        return z.NEVER;
      })
      .optional()
      .describe('`href` of the video: one of the two'),
    lifetime: duration({ minMs: LIFETIME_MS_MIN, maxMs: LIFETIME_MS_MAX, text: 'PT1M to PT24H' })
      .nullable()
      .default(null)
      .describe('null: PT4H, or PT59M with a limit of uses, which is then the longest'),
    uses: z
      .int()
      .min(1)
      .max(USES_MAX)
      .nullable()
      .default(null)
      .describe('how often keys may be had with it; null: as the protection profile says'),
    claims: z
      .record(
        z
          .string()
          .min(1)
          .max(512)
          .refine((type) => !isReservedClaim(type), 'said by the token itself'),
        z.union([claimText, z.number(), z.boolean(), z.array(claimText).max(CLAIM_VALUES_MAX)]),
      )
      .refine((claims) => Object.keys(claims).length <= CLAIMS_MAX, `at most ${CLAIMS_MAX} claims`)
      .refine(
        (claims) => JSON.stringify(claims).length <= CLAIMS_CHARS_MAX,
        `at most ${CLAIMS_CHARS_MAX} characters`,
      )
      .default({})
      .describe('more for the token to say; those that the profile requires with a value are in it anyway'),
  })
  .refine(({ program, video }) => (program === undefined) !== (video === undefined), {
    path: ['program'],
    message: 'one of `program` and `video`',
  })
  .meta({ id: 'PlaybackTokenBody' });

const url = z.string().nullable();

export const PlaybackTokenAnswer = z
  .object({
    program: z.string().nullable(),
    video: z.string().nullable(),
    protection: z.string(),
    token: z
      .string()
      .nullable()
      .describe('a secret, for `Authorization: Bearer`; null: players need none for it'),
    id: z.string().nullable().describe('`jti` of the token, for logs'),
    expiresAt: z.iso.datetime().nullable(),
    playback: z
      .object({
        hls: url,
        dash: url,
        smooth: url,
        nativeHls: url.describe(
          'for players that cannot send a header (iOS, VLC, ffplay); has the token in it',
        ),
      })
      .describe('null: not by this protocol'),
    keys: z
      .array(
        z.object({
          id: z.string(),
          scheme: z.enum(['aes128', 'cenc', 'cbcs']),
          key: url.describe('16 bytes'),
          clearKey: url,
          playReady: url,
          widevine: url,
          fairPlay: url,
        }),
      )
      .describe('where players ask, with the token'),
    testPage: url.describe('the live page with it; has the token in it, behind the #'),
  })
  .meta({ id: 'PlaybackToken' });
