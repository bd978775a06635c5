import type { Interval } from './audio-chunks.ts';

/** By EBU R 128. */
export interface Loudness {
  readonly integratedLufs: number;
  readonly rangeLu: number;
  readonly truePeakDbtp: number | undefined;
}

export interface KeyFrame extends Interval {
  /** A file of the output; undefined: none was made. */
  readonly thumbnail: string | undefined;
}

/** What was filmed, or shown, without a cut. */
export interface Shot extends Interval {
  readonly keyFrames: readonly KeyFrame[];
}

export interface VideoFindings {
  readonly shots: readonly Shot[];
  readonly black: readonly Interval[];
  /** Nothing moves. */
  readonly frozen: readonly Interval[];
}
