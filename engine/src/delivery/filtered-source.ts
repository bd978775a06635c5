import type { FragmentEntry, PresentationIndex } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import { applyFilters, type MediaFilter } from '../packager/presentation-filter.ts';
import { toOriginError } from './media-filters.ts';
import type { PeekableSource } from './peekable-source.ts';

/** Of one presentation: combinations of filters that are asked for at the same time. */
const COMBINATIONS_MAX = 64;

/** A presentation as its filters leave it; whoever has it cannot see or fetch anything else. Throws `OriginError`. */
class FilteredSource implements PeekableSource {
  readonly #source: PeekableSource;
  readonly #filters: readonly MediaFilter[];
  #last: { readonly of: PresentationIndex; readonly index: PresentationIndex } | undefined;

  constructor(source: PeekableSource, filters: readonly MediaFilter[]) {
    this.#source = source;
    this.#filters = filters;
  }

  async index(): Promise<PresentationIndex> {
    return this.#filtered(await this.#source.index());
  }

  peekIndex(): PresentationIndex | undefined {
    const index = this.#source.peekIndex();
    return index && this.#filtered(index);
  }

  header(track: Track, formatIndex: number): Promise<Uint8Array> {
    return this.#source.header(track, formatIndex);
  }

  peekHeader(track: Track, formatIndex: number): Uint8Array | undefined {
    return this.#source.peekHeader(track, formatIndex);
  }

  fragment(track: Track, entry: FragmentEntry): Promise<Uint8Array | undefined> {
    return this.#source.fragment(track, entry);
  }

  peekFragment(track: Track, entry: FragmentEntry): Uint8Array | undefined {
    return this.#source.peekFragment(track, entry);
  }

  headerName(track: Track, formatIndex: number): string {
    return this.#source.headerName(track, formatIndex);
  }

  fragmentName(track: Track, entry: FragmentEntry): string {
    return this.#source.fragmentName(track, entry);
  }

  /** One for each index, so that what is made from it can be kept with it. */
  #filtered(of: PresentationIndex): PresentationIndex {
    if (this.#last?.of === of) return this.#last.index;
    try {
      const index = applyFilters(of, this.#filters);
      this.#last = { of, index };
      return index;
    } catch (error) {
      throw toOriginError(error);
    }
  }
}

/** Remembers what is filtered of each presentation, for as long as the presentation itself is. */
export class FilteredSources {
  readonly #known = new WeakMap<PeekableSource, Map<string, PeekableSource>>();

  /** The same object for the same filters, until others are asked for more often. */
  of(source: PeekableSource, filters: readonly MediaFilter[]): PeekableSource {
    if (filters.length === 0) return source;
    const known = this.#known.get(source) ?? new Map<string, PeekableSource>();
    this.#known.set(source, known);
    const key = filters.map(({ name, version }) => `${name}/${version}`).join();
    const filtered = known.get(key) ?? new FilteredSource(source, filters);
    // The last used is the last in order.
    known.delete(key);
    known.set(key, filtered);
    const [oldest] = known.keys();
    if (known.size > COMBINATIONS_MAX && oldest !== undefined) known.delete(oldest);
    return filtered;
  }
}
