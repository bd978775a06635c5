import type { FragmentEntry, PresentationIndex, PresentationSource } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';

/** A presentation that answers at once what it has at hand; undefined: ask again and wait. */
export interface PeekableSource extends PresentationSource {
  peekIndex(): PresentationIndex | undefined;
  peekHeader(track: Track, formatIndex: number): Uint8Array | undefined;
  peekFragment(track: Track, entry: FragmentEntry): Uint8Array | undefined;
  /** What they are kept by: different for different bytes, in every presentation. */
  headerName(track: Track, formatIndex: number): string;
  fragmentName(track: Track, entry: FragmentEntry): string;
}
