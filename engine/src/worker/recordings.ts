export interface RecordedTrack {
  readonly type: 'video' | 'audio';
  readonly folder: string;
  readonly bitrateBps: number;
  readonly language: string | undefined;
  /** Ascending, in ticks of 100 ns. */
  readonly fragments: readonly { readonly decodeTimeTicks: number; readonly formatIndex: number }[];
  readonly durationSeconds: number;
}

/** A recording of a live event, or an old archive, in the container of an asset. */
export interface Recording {
  readonly tracks: readonly RecordedTrack[];
  /** Of tick 0, Unix milliseconds, where it is known. */
  readonly zeroMs: number | undefined;
}

/** Recordings in asset containers; undefined for what is not there. They throw when storage fails. */
export interface Recordings {
  find(container: string, manifestName: string): Promise<Recording | undefined>;
  header(container: string, folder: string, formatIndex: number): Promise<Uint8Array | undefined>;
  fragment(container: string, folder: string, decodeTimeTicks: number): Promise<Uint8Array | undefined>;
}
