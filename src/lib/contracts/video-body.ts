import { z } from 'zod';
import { parseDurationMs } from '../domain/duration.ts';
import { channelName, description, labels, moment, profileName, programName } from './fields.ts';

/** As that of what a finished program leaves: a channel, a hyphen and a program. */
const VIDEO_NAME_MAX = 97;
const FILES_MAX = 100;
const URL_CHARS_MAX = 4000;
const PRESET_CHARS_MAX = 16_384;
const DAY_MS = 86_400_000;
const CLIP_MS_MAX = 25 * 3_600_000;

export const videoName = channelName
  .max(VIDEO_NAME_MAX)
  .describe(`lower-case letters, digits and single hyphens, at most ${VIDEO_NAME_MAX}`);

export const importId = z
  .string()
  .max(40)
  .regex(/^\d{13}-[0-9a-f]{8}$/);

const fileName = z
  .string()
  .max(200)
  .regex(/^[^/\\:*?"<>|\p{Cc}]+$/u, 'a file name without a folder');

/** The media service's own presets by their names in its API. */
const BUILT_IN_PRESETS = [
  'AdaptiveStreaming',
  'H265AdaptiveStreaming',
  'ContentAwareEncoding',
  'ContentAwareEncodingExperimental',
  'H265ContentAwareEncoding',
  'H264MultipleBitrate1080p',
  'H264MultipleBitrate720p',
  'H264MultipleBitrateSD',
  'H264SingleBitrate1080p',
  'H264SingleBitrate720p',
  'H264SingleBitrateSD',
  'H265SingleBitrate720p',
  'H265SingleBitrate1080p',
  'H265SingleBitrate4K',
  'AACGoodQualityAudio',
  'DDGoodQualityAudio',
  'CopyAllBitrateNonInterleaved',
] as const;

const preset = z
  .looseObject({ '@odata.type': z.string().max(200).startsWith('#Microsoft.Media.') })
  .refine(
    (value) => JSON.stringify(value).length <= PRESET_CHARS_MAX,
    `at most ${PRESET_CHARS_MAX} characters`,
  );

const encoding = z
  .union([
    z.enum(['adaptive', 'contentAware', 'none', 'copy', ...BUILT_IN_PRESETS]),
    z.strictObject({ preset: preset.describe('a preset of the v3 API') }),
  ])
  .describe(
    'adaptive: a ladder up to the source’s size; contentAware: one as the pictures need it; none: the files are renditions that were encoded on site; copy: the source as it is, made streamable; or a preset of the media service. A change counts from the next `POST …/encode` on',
  );

const clipPoint = z
  .union([
    moment,
    z
      .string()
      .max(32)
      .refine((value) => {
        const ms = parseDurationMs(value);
        return ms !== undefined && ms <= CLIP_MS_MAX;
      }, 'an ISO 8601 duration of at most PT25H'),
  ])
  .describe('a moment, or an ISO 8601 duration after the beginning of the recording');

const programRef = z.union([
  z
    .string()
    .max(97)
    .regex(/^[^/]+\/[^/]+$/, '{channel}/{program}')
    .transform((text) => {
      const cut = text.indexOf('/');
      return { channel: text.slice(0, cut), program: text.slice(cut + 1) };
    })
    .pipe(z.strictObject({ channel: channelName, program: programName })),
  z.strictObject({ channel: channelName, program: programName }),
]);

const source = z
  .union([
    z.strictObject({
      upload: z
        .strictObject({
          files: z
            .array(fileName)
            .min(1)
            .max(FILES_MAX)
            .refine((names) => new Set(names).size === names.length, 'each name once')
            .nullable()
            .default(null)
            .describe(
              'the names of what will be uploaded: encoding begins when all are there. null: with the first file; with encoding none, with POST …/encode',
            ),
        })
        .describe('by POST …/upload-url'),
    }),
    z.strictObject({
      url: z
        .url({ protocol: /^https$/, error: 'Must be an https address' })
        .max(URL_CHARS_MAX)
        .describe('the media service fetches it; a query string is a secret that is not shown again'),
    }),
    z
      .strictObject({
        program: programRef.describe('`{channel}/{program}`'),
        from: clipPoint.nullable().default(null),
        to: clipPoint.nullable().default(null),
      })
      .describe('a recording or a part of it, once the program has finished'),
  ])
  .describe('fixed when the video is made');

const indexing = z
  .strictObject({
    language: z
      .string()
      .max(35)
      .regex(/^(?:auto|[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)$/, '`auto` or a language tag such as `en-US`')
      .default('auto'),
    mode: z.enum(['standard', 'basic']).default('standard').describe('basic: transcript only'),
    captions: z.boolean().default(true).describe('viewers can show the transcript'),
    video: z.boolean().default(false).describe('shots, key frames, silence and the like as well'),
  })
  .refine(({ language, mode, video }) => mode !== 'basic' || (language !== 'auto' && !video), {
    path: ['mode'],
    message: 'basic needs a language and does not look at pictures',
  });

/** What is wanted of a video. */
export const VideoBody = z
  .strictObject({
    description: description.default(''),
    source,
    encoding: encoding.default('adaptive'),
    priority: z.enum(['low', 'normal', 'high']).default('normal').describe('among all that is encoded'),
    protection: profileName
      .default('clear')
      .describe('the protection profile; `clear`, `aes`, `clearkey` and `drm` are built in'),
    publish: z
      .strictObject({
        when: z.union([z.enum(['ready', 'manual']), moment]).default('ready'),
        until: moment.nullable().default(null),
      })
      .default({ when: 'ready', until: null }),
    indexing: indexing
      .nullable()
      .default(null)
      .describe('speech to text; null: none. A change counts from the next `POST …/encode` on'),
    poster: z
      .boolean()
      .default(true)
      .describe('a picture, and small ones for the scrub bar; whoever has their address can see them'),
    labels: labels.default({}),
  })
  .meta({ id: 'VideoBody' });
export type VideoBody = z.output<typeof VideoBody>;

export const VideoPatch = VideoBody.partial().meta({
  id: 'VideoPatch',
  description: 'JSON merge patch (RFC 7396)',
});

export const UPLOAD_LIFETIME_DEFAULT = 'PT4H';

export const UploadUrlBody = z
  .strictObject({
    lifetime: z
      .string()
      .max(32)
      .refine((value) => {
        const ms = parseDurationMs(value);
        return ms !== undefined && ms >= 60_000 && ms < DAY_MS;
      }, 'an ISO 8601 duration, PT1M to PT23H59M')
      .default(UPLOAD_LIFETIME_DEFAULT)
      .describe('how long the address is good'),
    file: fileName
      .nullable()
      .default(null)
      .describe('what the file is called; null: the first of `source.upload.files`, or `upload`'),
  })
  .meta({ id: 'UploadUrlBody' });
