import type { FragmentEntry } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import { TICKS_PER_MILLISECOND } from '../time/timescale.ts';

/** A finished CMAF fragment of a live event, before any recording has numbered it. */
export interface LiveFragment {
  /** As known when the fragment was closed: its `formats` reach at least to `formatIndex`. */
  readonly track: Track;
  readonly decodeTimeTicks: number;
  readonly durationTicks: number;
  readonly sampleCount: number;
  /** The live event's publishing sessions, counted on across restarts; equal in all tracks for one stretch of time. */
  readonly discontinuity: number;
  readonly formatIndex: number;
  /** moof + mdat, one buffer shared by preview, feed and recorders; nobody changes it. */
  readonly bytes: Uint8Array;
}

/** mfhd numbers need only differ: tenths of a second of the decode time, in 32 bits. */
const SEQUENCE_TICKS = 100 * TICKS_PER_MILLISECOND;
const SEQUENCE_MODULUS = 2 ** 32;

/** The number in the mfhd of a fragment that begins at `decodeTimeTicks`. */
export function movieSequenceAt(decodeTimeTicks: number): number {
  return Math.floor(decodeTimeTicks / SEQUENCE_TICKS) % SEQUENCE_MODULUS;
}

/** What a recording already holds when a process takes it over. */
export interface RecordedSoFar {
  readonly tracks: readonly Track[];
  /** The highest discontinuity number, undefined when there is no fragment. */
  readonly discontinuity: number | undefined;
  /** Where the last fragment of any track of picture or sound ends. */
  readonly endTicks: number | undefined;
}

/** Writes one live output. Fragments of a track come in order; committing runs behind, bounded by `pendingBytes`. */
export interface OutputRecorder {
  readonly soFar: RecordedSoFar;
  /** Bytes handed over and not committed yet. The caller stops its encoders above its own limit. */
  readonly pendingBytes: number;
  /** Announces a track (again when its formats grew) before its first fragment. */
  addTrack(track: Track): void;
  addFragment(fragment: LiveFragment): void;
  /** Resolves when `pendingBytes` is at most `bytes`, or the recorder has failed. */
  drained(bytes: number): Promise<void>;
  /** Commits everything handed over, then marks the recording finished (`end` lines, `.ism` as on-demand). */
  finish(): Promise<void>;
  /** Commits what it can and lets go, without finishing. */
  close(): Promise<void>;
}

/** What a recorder tells its live event. Called in commit order per track. */
export interface RecorderListener {
  trackCommitted(track: Track): void;
  fragmentCommitted(track: Track, entry: FragmentEntry): void;
  /** Another process has taken over (412): nothing more can be written. */
  fenced(): void;
}

export interface OutputPlace {
  readonly container: string;
  /** Without `.ism`. */
  readonly manifestName: string;
  readonly archiveWindowTicks: number;
  /** As in `PresentationIndex`. */
  readonly fragmentsPerTsSegment?: number | undefined;
}

/** Blob side of live, implemented in store/. */
export interface RecordingStore {
  /** Reads what is there, fences the previous writer with an `epoch` line and continues after it. */
  openRecorder(place: OutputPlace, epoch: number, listener: RecorderListener): Promise<OutputRecorder>;
  /** Finishes a recording that nobody is writing: as `openRecorder` + `finish`, and harmless when already finished. */
  finishRecording(place: OutputPlace, epoch: number): Promise<void>;
}

/** The ownership record of one live event, held under a blob lease. */
export interface Ownership {
  readonly epoch: number;
  /** Aborted when the lease was lost: somebody else owns the live event. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

export interface OwnershipStore {
  /** Takes the live event over: breaks another's lease at once, raises the epoch, writes our address. Renews by itself. */
  acquire(liveEventId: string, address: string): Promise<Ownership>;
}
