/** One access unit as it arrived: length-prefixed NAL units for H.264, a raw AAC frame without ADTS for audio. */
export interface Sample {
  readonly dtsTicks: number;
  /** pts − dts; may be negative. */
  readonly compositionOffsetTicks: number;
  readonly isRandomAccessPoint: boolean;
  readonly data: Uint8Array;
}

/** A sample whose successor is known. */
export interface TimedSample extends Sample {
  readonly durationTicks: number;
}
