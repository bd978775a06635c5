import { z } from 'zod';
import { description, duration, labels } from './fields.ts';

const ALLOW_FROM_MAX = 100;
const DAY_MS = 86_400_000;

const address = z
  .union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()])
  .describe('an address or a network (CIDR)');

/** What is wanted of a channel. */
export const ChannelBody = z
  .strictObject({
    description: description.default(''),
    encoding: z
      .enum(['passthrough', 'passthroughBasic'])
      .default('passthrough')
      .describe(
        'passthroughBasic: up to 5 Mbit/s, one program at a time, at most 8 h in a recording; fixed when the channel is made',
      ),
    ingest: z
      .strictObject({
        protocol: z
          .enum(['rtmp', 'smooth'])
          .default('rtmp')
          .describe('what encoders send: RTMP(S), or fragmented MP4 by HTTP'),
        hostname: z
          .enum(['static', 'dynamic'])
          .default('static')
          .describe('dynamic: another one at each start'),
        hostnamePrefix: z
          .string()
          .max(63)
          .regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/)
          .nullable()
          .default(null)
          .describe('what a static host name begins with, instead of the channel’s name'),
      })
      .default({ protocol: 'rtmp', hostname: 'static', hostnamePrefix: null })
      .describe('fixed when the channel is made'),
    allowFrom: z
      .array(address)
      .min(1)
      .max(ALLOW_FROM_MAX)
      .default(['0.0.0.0/0', '::/0'])
      .describe('who may send; everyone unless given'),
    keyFrameInterval: duration({ minMs: 500, maxMs: 20_000, text: 'PT0.5S to PT20S' })
      .nullable()
      .default(null),
    autoStop: duration({ minMs: 10_000, maxMs: 7 * DAY_MS, text: 'PT10S to P7D' })
      .nullable()
      .default('PT30M')
      .describe(
        'how long without input until the channel stops by itself, whereupon the programs that it records are finished; null: never',
      ),
    labels: labels.default({}),
  })
  .meta({ id: 'ChannelBody' });

export const ChannelPatch = ChannelBody.partial().meta({
  id: 'ChannelPatch',
  description: 'JSON merge patch (RFC 7396)',
});

export const RotateBody = z
  .strictObject({
    overlap: duration({ minMs: 0, maxMs: DAY_MS, text: 'PT0S to PT24H' })
      .optional()
      .describe(
        'how long the old key works as well; PT10M unless given, and PT0S for a channel that does not run',
      ),
  })
  .meta({ id: 'RotateBody' });

export const StopBody = z
  .strictObject({ finishPrograms: z.boolean().default(false).describe('finish the programs that record') })
  .meta({ id: 'StopBody' });
