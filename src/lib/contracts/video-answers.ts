import { z } from 'zod';
import { playbackProtection } from './answers.ts';
import { VideoBody } from './video-body.ts';

const time = z.iso.datetime();
const url = z.string().nullable();
const percent = z.number().min(0).max(100);
const { shape } = VideoBody;

export const VIDEO_STATES = [
  'awaitingUpload',
  'awaitingRecording',
  'queued',
  'encoding',
  'indexing',
  'retrying',
  'failed',
  'ready',
  'publishing',
  'published',
  'unpublished',
  'deleting',
] as const;

const ImageAnswer = z.string().nullable().describe('null: not yet, or not wanted');

export const VideoAnswer = z
  .object({
    name: z.string(),
    state: z
      .enum(VIDEO_STATES)
      .describe(
        'awaitingUpload: POST …/upload-url says where to; awaitingRecording: its program has not finished; queued, encoding, indexing; retrying: what failed is tried again by itself; failed: see `error`; ready: encoded, and not due to be published; publishing, published; unpublished: closed to viewers; deleting',
      ),
    description: z.string(),
    source: z.object({
      upload: z.object({ files: z.array(z.string()).nullable() }).optional(),
      url: z.string().optional().describe('without its query string'),
      program: z.object({ channel: z.string(), program: z.string() }).optional(),
      from: z.string().nullable().optional(),
      to: z.string().nullable().optional(),
    }),
    encoding: shape.encoding,
    priority: z.enum(['low', 'normal', 'high']),
    protection: z.string(),
    publish: z.object({ when: z.string(), until: z.string().nullable() }),
    indexing: z
      .object({
        language: z.string(),
        mode: z.enum(['standard', 'basic']),
        captions: z.boolean(),
        video: z.boolean(),
      })
      .nullable(),
    progress: z
      .object({
        overall: percent,
        upload: percent.nullable().describe('files that have arrived; null: nothing is uploaded'),
        encode: percent,
        index: percent.nullable().describe('null: not wanted'),
      })
      .describe('estimates; `state` says what is done'),
    conditions: z.array(
      z.object({
        type: z.enum([
          'Uploaded',
          'Encoded',
          'Indexed',
          'KeyPolicyReady',
          'DeliveryPolicyReady',
          'Published',
        ]),
        status: z.boolean(),
        reason: z.string(),
        since: time,
      }),
    ),
    playback: z.object({
      status: z.enum(['notPublished', 'waiting', 'onDemand']),
      hls: url.describe(
        'valid from the first answer on; null: its protection profile does not deliver it so',
      ),
      dash: url,
      smooth: url,
      protection: playbackProtection,
    }),
    duration: z.string().nullable().describe('ISO 8601'),
    renditions: z.array(
      z.object({
        type: z.enum(['video', 'audio']),
        file: z.string(),
        codec: z.string().nullable(),
        bitrateBps: z.number().nullable().describe('null: not known, as of copies'),
        width: z.number().nullable(),
        height: z.number().nullable(),
        language: z.string().nullable(),
      }),
    ),
    poster: ImageAnswer,
    sprites: z
      .object({ image: z.string(), vtt: z.string() })
      .nullable()
      .describe('pictures for the scrub bar, and which part of them belongs to which time'),
    captions: z.array(z.object({ name: z.string(), language: z.string(), inManifests: z.boolean() })),
    transcript: url.describe('WebVTT, from this API'),
    insights: url.describe('JSON, from this API'),
    downloads: z.array(z.string()).describe('files, when the protection profile lets viewers download'),
    uploads: z
      .array(z.object({ file: z.string(), sizeBytes: z.number() }))
      .describe('what has been uploaded, as last read'),
    attempts: z.number().describe('how often encoding was begun'),
    error: z
      .object({
        category: z
          .enum(['service', 'download', 'upload', 'configuration', 'content', 'account'])
          .describe('whose business it is'),
        code: z.string(),
        reason: z.string(),
        retry: z.enum(['automatic', 'mayHelp', 'willNotHelp']),
        retryAt: time.nullable(),
        advice: z.string(),
        at: time,
      })
      .nullable(),
    labels: z.record(z.string(), z.string()),
    createdAt: time,
    href: z.string(),
  })
  .meta({ id: 'Video' });

export const UploadUrlAnswer = z
  .object({
    container: z
      .string()
      .describe('Azure Blob container address with a signature: read, write and list (a secret)'),
    file: z.string().describe('the name that `url` ends in'),
    url: z.string().describe('PUT blocks here, or the whole file (a secret)'),
    expiresAt: time,
    sizeBytesMax: z.number(),
    blockBytesMax: z.number(),
    blocksMax: z.number(),
    how: z.string().describe('in one sentence'),
  })
  .meta({ id: 'UploadUrl' });
