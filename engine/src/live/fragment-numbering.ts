import type { FragmentEntry } from '../model/presentation.ts';
import type { LiveFragment } from './live-fragment.ts';

/** Numbers fragments the way a recording would, for the preview, which nobody records. */
export class FragmentNumbering {
  readonly #next = new Map<string, { sequence: number; firstSample: number }>();

  number(fragment: LiveFragment, committedAtMs: number): FragmentEntry {
    const { folder } = fragment.track;
    const { sequence, firstSample } = this.#next.get(folder) ?? { sequence: 0, firstSample: 0 };
    this.#next.set(folder, { sequence: sequence + 1, firstSample: firstSample + fragment.sampleCount });
    return {
      sequence,
      firstSample,
      committedAtMs,
      decodeTimeTicks: fragment.decodeTimeTicks,
      durationTicks: fragment.durationTicks,
      sizeBytes: fragment.bytes.byteLength,
      sampleCount: fragment.sampleCount,
      discontinuity: fragment.discontinuity,
      formatIndex: fragment.formatIndex,
    };
  }
}
