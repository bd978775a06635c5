import type { FittedSize } from './picture-size.ts';
import type { Ratio } from './source.ts';

export type Complexity = 'Speed' | 'Balanced' | 'Quality';
export type H264Profile = 'Auto' | 'Baseline' | 'Main' | 'High' | 'High422' | 'High444';
export type H265Profile = 'Auto' | 'Main' | 'Main10';

/** One quality of pictures that is made, with all that its encoder is told. */
export interface VideoLayer {
  readonly codec: 'h264' | 'h265';
  readonly label: string | undefined;
  /** Of the codec that it is a layer of. */
  readonly codecLabel: string | undefined;
  readonly fitted: FittedSize;
  readonly rate: Ratio;
  readonly gopFrames: number;
  readonly bitrateBps: number;
  readonly maxBitrateBps: number;
  readonly bufferSeconds: number;
  readonly rateControl: 'ABR' | 'CBR' | 'CRF';
  readonly crf: number;
  readonly bFrames: number;
  readonly adaptiveBFrame: boolean;
  readonly referenceFrames: number;
  /** 0: as the encoder likes. */
  readonly slices: number;
  readonly profile: H264Profile | H265Profile;
  /** Undefined: the lowest that holds it. */
  readonly level: string | undefined;
  readonly entropy: 'Cabac' | 'Cavlc';
  readonly complexity: Complexity;
  readonly sceneChangeDetection: boolean;
  /** Where pictures come as they please: seconds between key frames, which no number of frames tells. */
  readonly keyFrameSeconds: number | undefined;
}

/** Specification of H264Layer, and what the built-in presets of the original used (B = 3, ref = 3, VBV of 5 s). */
export const LAYER_DEFAULTS = {
  label: undefined,
  codecLabel: undefined,
  bufferSeconds: 5,
  rateControl: 'ABR',
  crf: 23,
  bFrames: 3,
  adaptiveBFrame: true,
  referenceFrames: 3,
  slices: 0,
  profile: 'Auto',
  level: undefined,
  entropy: 'Cabac',
  complexity: 'Balanced',
  sceneChangeDetection: false,
  keyFrameSeconds: undefined,
} as const satisfies Partial<VideoLayer>;
