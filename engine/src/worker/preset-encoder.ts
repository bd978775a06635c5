import type { Encoder, EncodingTask } from './encoders.ts';
import type { Workshop } from './workshop.ts';

/** Who carries out presets of some types. */
export interface PresetEncoder {
  readonly types: readonly EncodingTask['preset']['@odata.type'][];
  create(workshop: Workshop): Encoder;
}
