import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { type AudioIdentity, identifyAudioOnly, MAIN_SLOT } from './audio-identity.ts';

/** A connection whose sound has gone on for this long without a picture has none: its sound is not the others'. */
const AUDIO_ONLY_TICKS = 5 * TICKS_PER_SECOND;
/** Connections of one encoder begin together: for so long those that have sent nothing may bring the main sound. */
const OTHERS_BEGIN_TICKS = TICKS_PER_SECOND;
/** More streams of sound only than an event has tracks are watched anew when they come back. */
const AUDIO_ONLY_REMEMBERED_MAX = 64;

/** A byte stream, as far as it matters whose audio is used. */
export interface AudioSource {
  readonly streamId: string;
  readonly hasVideo: boolean;
  /** False while it has not said what it carries. */
  readonly isDescribed: boolean;
}

/**
 * Decides for each audio track which connection feeds it. The audio of every connection that carries a picture is the
 * same; a connection of sound alone, beside another that feeds the main audio, is another track.
 */
export class AudioFeeders {
  readonly #slotsMax: number;
  readonly #sources: () => Iterable<AudioSource>;
  readonly #feeders = new Map<string, AudioSource>();
  /** Streams known to carry sound only; a stream that comes back need not be watched again. */
  readonly #audioOnly = new Set<string>();

  /** `sources`: every byte stream of the live event. */
  constructor(slotsMax: number, sources: () => Iterable<AudioSource>) {
    this.#slotsMax = slotsMax;
    this.#sources = sources;
  }

  /** Which track the audio belongs to, given for how long it has been heard of; undefined: that is not clear yet. */
  settle(source: AudioSource, identity: AudioIdentity, heardTicks: number): AudioIdentity | undefined {
    const feeder = this.#feeders.get(MAIN_SLOT);
    if (identity.slot !== MAIN_SLOT || source.hasVideo || feeder === source) return identity;
    if (this.#audioOnly.has(source.streamId)) return identifyAudioOnly(source.streamId, identity);
    if (feeder === undefined) {
      const mayBeAnothers = [...this.#sources()].some((other) => !other.isDescribed);
      return mayBeAnothers && heardTicks < OTHERS_BEGIN_TICKS ? undefined : identity;
    }
    if (heardTicks < AUDIO_ONLY_TICKS) return undefined;
    if (this.#audioOnly.size < AUDIO_ONLY_REMEMBERED_MAX) this.#audioOnly.add(source.streamId);
    return identifyAudioOnly(source.streamId, identity);
  }

  /** True for the one byte stream whose audio is used; the first to ask while nobody feeds. */
  feeds(source: AudioSource, slot: string): boolean {
    const feeder = this.#feeders.get(slot);
    if (feeder !== undefined) return feeder === source;
    if (this.#feeders.size >= this.#slotsMax) return false;
    this.#feeders.set(slot, source);
    return true;
  }

  forget(source: AudioSource): void {
    for (const [slot, feeder] of this.#feeders) {
      if (feeder === source) this.#feeders.delete(slot);
    }
  }
}
