import type { FragmentEntry } from '../model/presentation.ts';
import type { LiveFragment } from './live-fragment.ts';

/** Index entries of a presentation that nobody records (the preview): counts from 0 per track. */
export class FragmentNumbering {
  readonly #next = new Map<string, { sequence: number; firstSample: number }>();

  /** Call in order per track. */
  number(fragment: LiveFragment, committedAtMs: number): FragmentEntry {
    const { track, decodeTimeTicks, durationTicks, sampleCount, discontinuity, formatIndex, bytes } =
      fragment;
    const { sequence, firstSample } = this.#next.get(track.folder) ?? { sequence: 0, firstSample: 0 };
    this.#next.set(track.folder, { sequence: sequence + 1, firstSample: firstSample + sampleCount });
    return {
      sequence,
      decodeTimeTicks,
      durationTicks,
      sizeBytes: bytes.byteLength,
      sampleCount,
      firstSample,
      discontinuity,
      formatIndex,
      committedAtMs,
    };
  }
}
