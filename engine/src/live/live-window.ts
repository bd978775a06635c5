import { writeCmafHeader } from '../formats/isobmff/cmaf-header-writer.ts';
import type { Track } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import type { LiveFragment } from './live-fragment.ts';

/** How far back from its newest media a live event's memory reaches. */
export const LIVE_WINDOW_TICKS_MAX = 90 * TICKS_PER_SECOND;
const LIVE_WINDOW_BYTES_MAX = 96 * 1024 * 1024;

export interface LiveWindowLimits {
  readonly durationTicksMax?: number;
  readonly bytesMax?: number;
}

interface HeldFragment {
  readonly endTicks: number;
  readonly bytes: Uint8Array;
}

/** The newest fragments of one live event, for origins: they need not wait for storage. */
export class LiveWindow {
  readonly #durationTicksMax: number;
  readonly #bytesMax: number;
  /** By folder and decode time, the oldest arrival first. */
  readonly #fragments = new Map<string, HeldFragment>();
  readonly #tracks = new Map<string, Track>();
  /** As many as the formats of the tracks, which their registry bounds. */
  readonly #headers = new Map<string, Uint8Array>();
  #sizeBytes = 0;
  #newestEndTicks = 0;

  constructor(limits: LiveWindowLimits = {}) {
    this.#durationTicksMax = limits.durationTicksMax ?? LIVE_WINDOW_TICKS_MAX;
    this.#bytesMax = limits.bytesMax ?? LIVE_WINDOW_BYTES_MAX;
  }

  addFragment({ track, decodeTimeTicks, durationTicks, bytes }: LiveFragment): void {
    this.setTrack(track);
    const key = `${track.folder}/${decodeTimeTicks}`;
    this.#drop(key);
    const isText = track.type === 'text';
    // Text is about a time that may be far away: it goes as what it came with.
    const endTicks = isText ? decodeTimeTicks : decodeTimeTicks + durationTicks;
    this.#fragments.set(key, { endTicks, bytes });
    this.#sizeBytes += bytes.byteLength;
    if (!isText) this.#newestEndTicks = Math.max(this.#newestEndTicks, endTicks);
    this.#trim();
  }

  /** How many are held: the newest ones, in the order in which they were added. */
  get fragmentCount(): number {
    return this.#fragments.size;
  }

  /** Lets go of all fragments; tracks stay known. */
  clear(): void {
    this.#fragments.clear();
    this.#sizeBytes = 0;
  }

  /** `formats` only ever grow: a track with fewer than known is an older view of it. */
  setTrack(track: Track): void {
    const known = this.#tracks.get(track.folder);
    if (known === undefined || known.formats.length < track.formats.length)
      this.#tracks.set(track.folder, track);
  }

  /** moof + mdat, undefined when it is no longer (or was never) here. */
  fragment(folder: string, decodeTimeTicks: number): Uint8Array | undefined {
    return this.#fragments.get(`${folder}/${decodeTimeTicks}`)?.bytes;
  }

  /** ftyp + moov, undefined for a track or format that is not known. */
  header(folder: string, formatIndex: number): Uint8Array | undefined {
    const track = this.#tracks.get(folder);
    const format = track?.formats[formatIndex];
    if (track === undefined || format === undefined || format.kind === 'data') return undefined;
    const key = `${folder}/${formatIndex}`;
    const cached = this.#headers.get(key);
    if (cached !== undefined) return cached;
    const header = writeCmafHeader(track, formatIndex);
    this.#headers.set(key, header);
    return header;
  }

  #trim(): void {
    for (const [key, { endTicks }] of this.#fragments) {
      const isTooOld = endTicks < this.#newestEndTicks - this.#durationTicksMax;
      if (!isTooOld && this.#sizeBytes <= this.#bytesMax) return;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    const held = this.#fragments.get(key);
    if (held === undefined) return;
    this.#fragments.delete(key);
    this.#sizeBytes -= held.bytes.byteLength;
  }
}
