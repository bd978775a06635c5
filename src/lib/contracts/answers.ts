import { z } from 'zod';

const time = z.iso.datetime();
const condition = z.object({
  type: z.enum(['KeyPolicyReady', 'DeliveryPolicyReady', 'Recording', 'Published']),
  status: z.boolean(),
  reason: z.string(),
  since: time,
});
const failure = z.object({ code: z.string(), message: z.string(), at: time }).nullable();
const serviceState = z.enum([
  'pending',
  'stopped',
  'allocating',
  'standby',
  'starting',
  'running',
  'stopping',
  'deleting',
]);

export const ChannelAnswer = z
  .object({
    name: z.string(),
    state: serviceState,
    desired: z.enum(['stopped', 'standby', 'running', 'deleted']),
    description: z.string(),
    health: z.object({
      level: z.enum(['ok', 'info', 'warning', 'error']),
      code: z.string(),
      message: z.string(),
      since: time,
    }),
    ingest: z.object({
      protocol: z.enum(['rtmp', 'smooth']),
      hostname: z.enum(['static', 'dynamic']),
      hostnamePrefix: z.string().nullable(),
      servers: z.array(
        z.object({ role: z.enum(['primary', 'backup']), protocol: z.string(), url: z.string() }),
      ),
      streamKey: z.object({ hint: z.string(), href: z.string() }),
      allowFrom: z.array(z.string()),
      sending: z.boolean(),
      tracks: z
        .array(
          z.object({
            type: z.enum(['video', 'audio']),
            codec: z.string().describe('RFC 6381'),
            bitrateBps: z.number().describe('as the encoder declared it'),
            width: z.number().nullable(),
            height: z.number().nullable(),
            frameRate: z.number().nullable(),
            language: z.string().nullable(),
          }),
        )
        .describe('what the encoder sends, as last read'),
    }),
    preview: z.object({ hls: z.string(), dash: z.string() }).nullable(),
    encoding: z.enum(['passthrough', 'passthroughBasic']),
    keyFrameInterval: z.string().nullable(),
    autoStop: z.string().nullable(),
    labels: z.record(z.string(), z.string()),
    failure,
    createdAt: time,
    href: z.string(),
  })
  .meta({ id: 'Channel' });

export const playbackProtection = z
  .object({
    profile: z.string(),
    access: z.enum(['open', 'token']),
    tokens: z.string().nullable().describe('where to ask for one'),
    encryption: z.object({ hls: z.string(), dash: z.string(), smooth: z.string() }),
    keyIds: z.array(z.string()),
    servers: z
      .object({
        aes128: z.string().nullable(),
        clearKey: z.string().nullable(),
        playReady: z.string().nullable(),
        widevine: z.string().nullable(),
        fairPlay: z.string().nullable(),
      })
      .describe('where players get keys and licences; manifests say it too'),
  })
  .nullable()
  .describe('null: not encrypted');

export const ProgramAnswer = z
  .object({
    name: z.string(),
    channel: z.string(),
    state: z.enum(['idle', 'armed', 'recording', 'finishing', 'finished', 'deleting', 'failed']),
    description: z.string(),
    start: z.string(),
    rewind: z.string().nullable(),
    keep: z.string(),
    protection: z.string(),
    publish: z.object({ when: z.string(), until: z.string().nullable() }),
    playback: z.object({
      status: z.enum(['notPublished', 'waiting', 'live', 'onDemand']),
      hls: z.string().nullable().describe('null: its protection profile does not deliver it so'),
      dash: z.string().nullable(),
      smooth: z.string().nullable(),
      protection: playbackProtection,
    }),
    recording: z.object({
      asset: z.string(),
      firstFrameAt: time.nullable(),
      finishedAt: time.nullable(),
      duration: z.string().nullable(),
    }),
    conditions: z.array(condition),
    labels: z.record(z.string(), z.string()),
    failure,
    createdAt: time,
    href: z.string(),
  })
  .meta({ id: 'Program' });

export const StreamKeyAnswer = z
  .object({
    streamKey: z.string().describe('what encoders with one key field take, after the server'),
    servers: z
      .array(
        z.object({
          role: z.enum(['primary', 'backup']),
          protocol: z.string(),
          server: z.string(),
          url: z.string(),
        }),
      )
      .describe('server: without the key; url: with it. The encoder appends /{any stream name}'),
    previousKeyValidUntil: time
      .nullable()
      .describe('until then encoders may connect with the key before the last rotation, too'),
  })
  .meta({ id: 'StreamKey' });

export const OperationAnswer = z
  .object({
    id: z.string(),
    kind: z.string(),
    target: z.string(),
    status: z.enum(['NotStarted', 'Running', 'Succeeded', 'Failed', 'Canceled']),
    percentComplete: z.number(),
    step: z.string(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    createdAt: time,
    finishedAt: time.nullable(),
  })
  .meta({ id: 'Operation' });

export const TimelineAnswer = z
  .object({
    id: z.string(),
    at: time,
    type: z.string(),
    source: z.enum(['api', 'event', 'reconcile']),
    by: z.string(),
    program: z.string().nullable(),
    effect: z.string(),
    milliseconds: z.number().nullable(),
  })
  .meta({ id: 'TimelineEntry' });

export const StreamingEndpointAnswer = z
  .object({
    name: z.string(),
    state: z.string(),
    hostName: z.string().nullable(),
    scaleUnits: z.number(),
    baseUrl: z.string(),
    href: z.string(),
  })
  .meta({ id: 'StreamingEndpoint' });

export const EncodingCapacityAnswer = z
  .object({
    units: z.number(),
    unitsMax: z.number(),
    activeWorkers: z.number().describe('how many encode now'),
    state: z.string(),
    href: z.string(),
  })
  .meta({ id: 'EncodingCapacity' });

export const ProblemAnswer = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    code: z.string(),
    retryable: z.boolean(),
    traceId: z.string(),
    errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
    current: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Problem' });

export const HealthAnswer = z.object({ status: z.enum(['ok']) }).meta({ id: 'HealthCheck' });
