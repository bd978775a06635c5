import type { Encoder, Encoders, EncodingTask } from './encoders.ts';
import { forgetJob } from './forget-job.ts';
import type { Workshop } from './workshop.ts';

type PresetType = EncodingTask['preset']['@odata.type'];

/** Who carries out presets of some types. */
export interface PresetEncoder {
  readonly types: readonly PresetType[];
  create(workshop: Workshop): Encoder;
}

/** All presets that this build carries out; the first that knows a type has it. */
const PRESET_ENCODERS: readonly PresetEncoder[] = [];

/** The encoders of one account. */
export function createEncoders(
  workshop: Workshop,
  presetEncoders: readonly PresetEncoder[] = PRESET_ENCODERS,
): Encoders {
  return {
    find: ({ '@odata.type': type }) =>
      presetEncoders.find(({ types }) => types.includes(type))?.create(workshop),
    forget: (job) => forgetJob(workshop, job),
  };
}
