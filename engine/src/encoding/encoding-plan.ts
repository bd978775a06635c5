/**
 * What is done for one output of a job: runs of FFmpeg in one working folder, and the files that become blobs of the
 * output's container. It is data: it can be compared in a test, sent to another worker and made again after a crash.
 */
export interface EncodingPlan {
  /** Of the output's time line; 0 where there is none. */
  readonly durationSeconds: number;
  /** In order: each may read what earlier ones have written. */
  readonly steps: readonly EncodingStep[];
  /** All that the output consists of; the server manifest (`.ism`) is the last, so that what it names is there. */
  readonly files: readonly OutputFile[];
}

export type EncodingStep = WholeStep | DividedStep;

export interface WholeStep {
  readonly kind: 'whole';
  readonly name: string;
  /** Of the work of the whole plan, in a unit of its own. */
  readonly cost: number;
  readonly run: FFmpegRun;
}

/** The same for pieces of the time line, in any order, by any worker; then one run that joins them without a seam. */
export interface DividedStep {
  readonly kind: 'divided';
  readonly name: string;
  readonly cost: number;
  readonly parts: readonly EncodingPart[];
  readonly join: FFmpegRun;
}

export interface EncodingPart {
  /** Among the parts of its step. */
  readonly index: number;
  readonly run: FFmpegRun;
}

export interface FFmpegRun {
  /** All but the program's name and what is the runner's: limits, progress, log level, protocols. */
  readonly arguments: readonly string[];
  /** Relative to the working folder, where `arguments` have them as well. */
  readonly writes: readonly string[];
  /** Text files that it reads (lists to join, filter graphs), written before it is started. */
  readonly texts: readonly TextFile[];
  /** Of what it writes; progress is measured against it. 0: it is over at once. */
  readonly durationSeconds: number;
}

export interface TextFile {
  readonly path: string;
  readonly text: string;
}

export type OutputFile =
  /** Written by a step. */
  | { readonly kind: 'made'; readonly name: string; readonly path: string; readonly contentType: string }
  | { readonly kind: 'text'; readonly name: string; readonly text: string; readonly contentType: string };
