import { ANALYZERS, FACE_DETECTOR } from './analysis-encoder.ts';
import type { Encoders } from './encoders.ts';
import { STANDARD_ENCODER } from './encoding-planner.ts';
import { forgetJob } from './forget-job.ts';
import type { PresetEncoder } from './preset-encoder.ts';
import type { Workshop } from './workshop.ts';

/** All presets that this build carries out; the first that knows a type has it. */
const PRESET_ENCODERS: readonly PresetEncoder[] = [STANDARD_ENCODER, ANALYZERS, FACE_DETECTOR];

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
