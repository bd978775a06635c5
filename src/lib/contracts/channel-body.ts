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
    encoding: z.literal('passthrough').default('passthrough'),
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

export const StopBody = z
  .strictObject({ finishPrograms: z.boolean().default(false).describe('finish the programs that record') })
  .meta({ id: 'StopBody' });
