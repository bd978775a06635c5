import { writeCmafHeader } from '../formats/isobmff/cmaf-header-writer.ts';
import type { Track } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import type { LiveFragment } from './live-fragment.ts';

export interface LiveWindowLimits {
  readonly durationTicksMax: number;
  readonly bytesMax: number;
}

const LIMITS: LiveWindowLimits = { durationTicksMax: 90 * TICKS_PER_SECOND, bytesMax: 96 * 1024 * 1024 };

/** The newest fragments of a live event in memory: all that a preview has, and what origins read before Blob. */
export class LiveWindow {
  readonly #limits: LiveWindowLimits;
  /** Insertion order is arrival order. */
  readonly #fragments = new Map<string, LiveFragment>();
  readonly #tracks = new Map<string, Track>();
  readonly #headers = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(limits: LiveWindowLimits = LIMITS) {
    this.#limits = limits;
  }

  setTrack(track: Track): void {
    this.#tracks.set(track.folder, track);
  }

  addFragment(fragment: LiveFragment): void {
    this.#fragments.set(keyOf(fragment.track.folder, fragment.decodeTimeTicks), fragment);
    this.#bytes += fragment.bytes.byteLength;
    for (const [key, oldest] of this.#fragments) {
      const ageTicks = fragment.decodeTimeTicks - oldest.decodeTimeTicks;
      if (ageTicks <= this.#limits.durationTicksMax && this.#bytes <= this.#limits.bytesMax) return;
      this.#fragments.delete(key);
      this.#bytes -= oldest.bytes.byteLength;
    }
  }

  fragment(folder: string, decodeTimeTicks: number): Uint8Array | undefined {
    return this.#fragments.get(keyOf(folder, decodeTimeTicks))?.bytes;
  }

  /** ftyp + moov; undefined when there is no such track or format. */
  header(folder: string, formatIndex: number): Uint8Array | undefined {
    const track = this.#tracks.get(folder);
    if (track?.formats[formatIndex] === undefined) return undefined;
    const key = keyOf(folder, formatIndex);
    const header = this.#headers.get(key) ?? writeCmafHeader(track, formatIndex);
    this.#headers.set(key, header);
    return header;
  }
}

function keyOf(folder: string, number: number): string {
  return `${folder}/${number}`;
}
