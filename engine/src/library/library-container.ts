import { writeCmafHeader } from '../formats/isobmff/cmaf-header-writer.ts';
import { writeFragment } from '../formats/isobmff/fragment-writer.ts';
import type { FragmentEntry, TrackIndex } from '../model/presentation.ts';
import type { TimedSample } from '../model/sample.ts';
import type { Track } from '../model/track.ts';

/** The blobs of one asset container. */
export interface LibraryContainer {
  /** What lies directly in a folder ('' is the root), in order of names; names are whole. */
  list(folder: string): Promise<readonly LibraryBlob[]>;
  /** Undefined: there is no such blob. A range may reach beyond the end. */
  read(name: string, range?: ByteRange): Promise<Uint8Array | undefined>;
}

export interface LibraryBlob {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface ByteRange {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** One quality of an asset that the original service, or somebody's encoder, has written. */
export interface LibraryTrack {
  readonly index: TrackIndex;
  /** What it holds in memory beside its index. */
  readonly tableBytes: number;
  /** moof + mdat as our own recordings have them. Undefined when it is gone. */
  fragment(entry: FragmentEntry): Promise<Uint8Array | undefined>;
}

/** What cannot be served of an asset, in words for its owner. */
export interface Unreadable {
  readonly source: string;
  readonly reason: string;
}

/** CMAF header of a track. Throws a RangeError for a format that it does not have. */
export function canonicalHeader(track: Track, formatIndex: number): Uint8Array {
  return writeCmafHeader(track, formatIndex);
}

/** A stored fragment of ours, whatever its samples came from. */
export function canonicalFragment(
  track: Track,
  entry: FragmentEntry,
  samples: readonly TimedSample[],
): Uint8Array {
  const { sequence, decodeTimeTicks } = entry;
  const { head, payload, sizeBytes } = writeFragment({ track, sequence, decodeTimeTicks, samples });
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  bytes.set(head);
  let offset = head.length;
  for (const piece of payload) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
