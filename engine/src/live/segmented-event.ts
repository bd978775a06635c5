import type { PublishedTrack, TextFragment } from '../ingest/publish-session.ts';
import type { Track } from '../model/track.ts';
import type { AudioSource } from './audio-feeders.ts';
import type { AudioIdentity } from './audio-identity.ts';
import type { ClosedStretch, ElementaryStream } from './elementary-stream.ts';
import type { LiveFragment } from './live-fragment.ts';
import type { ClaimedTrack, WantedTrack } from './track-registry.ts';

/** What a byte stream needs of the live event whose tracks it feeds. */
export interface SegmentedEvent {
  readonly grid: { shouldCut(timeTicks: number, openTicks: number): boolean };
  /** Throws `TooManyTracks`. */
  claim(wanted: WantedTrack): ClaimedTrack;
  trackStarted(start: TrackStart): void;
  addText(arrived: ArrivedText): void;
  /** A sample lies here: the live position, that other byte streams are placed by. */
  advance(ticks: number): void;
  sampleTaken(track: Track, dtsTicks: number, sizeBytes: number): void;
  irregular(track: Track, irregularity: Irregularity): void;
  /** The offset that puts this byte stream's times on the timeline. */
  place(stream: PlacedSource, sample: SampleToPlace): number;
  /** Where the track ends so far, 0 when nothing is known of it. */
  endOf(track: Track | undefined): number;
  readonly audio: {
    settle(source: AudioSource, identity: AudioIdentity, heardTicks: number): AudioIdentity | undefined;
    feeds(source: AudioSource, slot: string): boolean;
  };
  /** A video fragment begins here: the audio is cut at the same place. */
  addBoundary(ticks: number): void;
  audioBoundaryAfter(startTicks: number, newestTicks: number): number | undefined;
  toFragment(elementary: ElementaryStream, stretch: ClosedStretch): LiveFragment | undefined;
  emit(elementary: ElementaryStream, stretch: ClosedStretch): void;
  /** The byte stream has flushed and is over. */
  forget(stream: PlacedSource): void;
}

/** A fragment of a sparse track, by the encoder's clock. */
export interface ArrivedText {
  readonly streamId: string;
  readonly description: PublishedTrack;
  readonly fragment: TextFragment;
  /** Of the byte stream that brought it, undefined when that has no place on the timeline. */
  readonly offsetTicks: number | undefined;
}

/** A byte stream as its live event knows it. */
export interface PlacedSource extends AudioSource {
  readonly isPlaced: boolean;
  tracks(): Track[];
  snapshots(): LiveFragment[];
  cutAudio(): void;
}

export interface SampleToPlace {
  /** By the encoder's clock. */
  readonly dtsTicks: number;
  readonly trackEndTicks: number;
  /** How much later the newest media of the encoder is that has arrived already. */
  readonly lookBackTicks: number;
  /** The offset of a session that this is not part of. */
  readonly leftOffsetTicks: number | undefined;
}

/** What is not as it should be in what an encoder sends. Times are on the media timeline. */
export type Irregularity =
  /** It lies before the end of its track. */
  | { readonly kind: 'overlap'; readonly timestampTicks: number; readonly isDropped: boolean }
  /** It does not come after the one before. */
  | { readonly kind: 'nonIncreasing'; readonly timestampTicks: number; readonly isDropped: boolean }
  /** Its track does not go on where it ended. */
  | {
      readonly kind: 'discontinuity';
      readonly previousTicks: number;
      readonly newTicks: number;
      /** From where the previous sample ends; negative for a step back. */
      readonly gapTicks: number;
    };

/** The first sample of a track in a byte stream's life. */
export interface TrackStart {
  readonly track: Track;
  readonly streamId: string;
  readonly timestampTicks: number;
  readonly durationTicks: number;
}
