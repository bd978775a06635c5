import type { Track } from './track.ts';

/**
 * One line of a track's index: what is known of a fragment without its bytes. A fragment is *acknowledged*, and may
 * enter a manifest, once its line is committed.
 */
export interface FragmentEntry {
  /** Counts up by one per track of the presentation, from 0, across reconnects and restarts. */
  readonly sequence: number;
  /** On the media timeline, `TICKS_PER_SECOND`; also `tfdt` and the blob's name. */
  readonly decodeTimeTicks: number;
  readonly durationTicks: number;
  readonly sizeBytes: number;
  readonly sampleCount: number;
  /** How many sample numbers are its own, where that is not how many samples it has: those of archives are estimates. */
  readonly sampleNumbers?: number;
  /** How many samples the track had before this fragment (for IVs). */
  readonly firstSample: number;
  /** Counts publishing sessions of the presentation; equal in all tracks for the same stretch of time. */
  readonly discontinuity: number;
  /** Which of the track's `formats` its samples use. */
  readonly formatIndex: number;
  /** When its last byte was committed, Unix milliseconds. */
  readonly committedAtMs: number;
}

/** Before this, no fragment may follow `last`. What text means may last beyond the next of it. */
export function followsFromTicks({ type }: Pick<Track, 'type'>, last: FragmentEntry): number {
  return last.decodeTimeTicks + (type === 'text' ? 1 : last.durationTicks);
}

export interface TrackIndex {
  readonly track: Track;
  /** Ascending by sequence and by decode time, already cut to the archive window. */
  readonly fragments: readonly FragmentEntry[];
  /** What whoever cut them remembers of those before; absent when nothing was cut. */
  readonly removed?: RemovedFragments;
}

/** Manifests may not change these while their window moves, so they outlive the fragments they were read from. */
export interface RemovedFragments {
  readonly longestTicks: number;
  /** Where the track changed to the format of its first fragment that is left; undefined: it is not known to have. */
  readonly formatSinceTicks: number | undefined;
}

/** All that manifests are made from. Live differs from on-demand only by `state`. */
export interface PresentationIndex {
  readonly state: 'live' | 'ended';
  readonly tracks: readonly TrackIndex[];
  /** How far back a live manifest reaches, undefined = everything. */
  readonly rewindTicks: number | undefined;
  /** How far its end is kept behind what is live; absent: not at all. */
  readonly liveBackoffTicks?: number;
  /** Of HLS with MPEG-TS; undefined: nobody said, so it is told from the fragments. */
  readonly fragmentsPerTsSegment?: number | undefined;
  /** When it ended, Unix milliseconds: those who watched it live are still on its live timeline for a while. */
  readonly endedAtMs?: number | undefined;
  /** The time of day of tick 0, Unix milliseconds, where it is not the media timeline's own (`TIMELINE_EPOCH_MS`). */
  readonly zeroMs?: number | 'unknown' | undefined;
  /** Where time 0 of files that belong to it, such as captions, is on the timeline; absent: where it begins. */
  readonly filesZeroTicks?: number | undefined;
}

/** What serves one presentation: the index as of now, and the bytes behind it. */
export interface PresentationSource {
  index(): Promise<PresentationIndex>;
  /** CMAF header (ftyp + moov) of one format of a track. */
  header(track: Track, formatIndex: number): Promise<Uint8Array>;
  /** moof + mdat. Undefined when the fragment is gone from the window. */
  fragment(track: Track, entry: FragmentEntry): Promise<Uint8Array | undefined>;
}
