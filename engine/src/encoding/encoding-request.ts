import type { z } from 'zod';
import type * as contract from '../contract/encoding.ts';
import type { SourceFile } from './source.ts';

export type BuiltInPreset = z.output<typeof contract.BuiltInStandardEncoderPreset>;
export type StandardPreset = z.output<typeof contract.StandardEncoderPreset>;
export type EncoderPreset = BuiltInPreset | StandardPreset;
export type InputDefinition = z.output<typeof contract.InputDefinition>;
export type ClipTime = z.output<typeof contract.ClipTime>;

/** What one output of a job is planned from. */
export interface EncodingRequest {
  /** With the defaults of the service (`withDefaults`). */
  readonly preset: EncoderPreset;
  /** Put one after the other; see `arrangeInputs`. */
  readonly clips: readonly SourceClip[];
  /** The inputs that overlays refer to by label. */
  readonly overlays: readonly OverlaySource[];
  /** Names `{assetId}_metadata.json`. */
  readonly outputAssetId: string;
  /** Of each run of FFmpeg, decoding and encoding. */
  readonly threads: number;
  /** How long the parts of a divided step are, about; without it, as `divide` sees fit. */
  readonly partSeconds?: number | undefined;
  /** The size of the file that the run of `contentAnalysis` has written, for presets that need one. */
  readonly analysisBytes?: number | undefined;
}

/** One or several files that show the same thing, and what of it is wanted. */
export interface SourceClip {
  readonly files: readonly SourceFile[];
  readonly start: ClipTime | undefined;
  readonly end: ClipTime | undefined;
  /** What UTC clip times are counted from: when the first picture was taken, Unix milliseconds. */
  readonly startsAtMs: number | undefined;
  readonly inputDefinitions: readonly InputDefinition[];
}

export interface OverlaySource {
  readonly label: string;
  readonly file: SourceFile;
}
