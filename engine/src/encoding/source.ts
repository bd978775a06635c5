/** A file of a job's input, as it was found to be. Times are seconds. */
export interface SourceFile {
  /** Of the blob, or the last part of the address. */
  readonly name: string;
  /** Where FFmpeg finds it: relative to the working folder. */
  readonly path: string;
  /** FFmpeg's names of the container format, separated by commas. */
  readonly formatName: string;
  readonly sizeBytes: number;
  readonly startSeconds: number;
  /** Of what is longest in it. */
  readonly durationSeconds: number;
  readonly bitrateBps: number | undefined;
  readonly video: readonly SourceVideo[];
  readonly audio: readonly SourceAudio[];
}

export interface SourceVideo {
  /** Among all streams of the file. */
  readonly streamIndex: number;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Width to height of one pixel. */
  readonly pixelAspect: Ratio;
  /** Clockwise, as a player turns it: 0, 90, 180 or 270. */
  readonly rotationDegrees: number;
  readonly frameRate: Ratio;
  /** Undefined: unknown until all is read. */
  readonly frameCount: number | undefined;
  readonly isInterlaced: boolean;
  readonly pixelFormat: string;
  readonly startSeconds: number;
  readonly durationSeconds: number;
  readonly bitrateBps: number | undefined;
}

export interface SourceAudio {
  /** Among all streams of the file. */
  readonly streamIndex: number;
  readonly codec: string;
  readonly channels: number;
  readonly channelLayout: string | undefined;
  readonly samplingRate: number;
  /** As the file says, in lower case; undefined: it says nothing. */
  readonly language: string | undefined;
  readonly startSeconds: number;
  readonly durationSeconds: number;
  readonly bitrateBps: number | undefined;
}

export interface Ratio {
  readonly numerator: number;
  readonly denominator: number;
}
