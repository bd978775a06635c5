import { z } from 'zod';
import { endpointName, operationId } from './fields.ts';

/** The original's ceiling for one endpoint, with a support ticket; the media service knows its own. */
const STREAMING_UNITS_MAX = 50;
const ENCODING_UNITS_MAX = 1000;

export const StreamingScaleBody = z
  .strictObject({
    units: z.int().min(0).max(STREAMING_UNITS_MAX).describe('streaming units; 0 is a standard endpoint'),
  })
  .meta({ id: 'StreamingScaleBody' });

export const EncodingScaleBody = z
  .strictObject({
    units: z.int().min(0).max(ENCODING_UNITS_MAX).describe('encoding units, at most unitsMax'),
  })
  .meta({ id: 'EncodingScaleBody' });

export const ScaleMessage = z.object({
  kind: z.enum(['streamingEndpoint', 'encodingCapacity']),
  name: endpointName,
  operation: operationId,
});
