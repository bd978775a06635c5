import { writeFragment } from '../formats/isobmff/fragment-writer.ts';
import type { PublishedTrack, TextFragment } from '../ingest/publish-session.ts';
import type { DataFormat } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { identifyText } from './audio-identity.ts';
import { type LiveFragment, movieSequenceAt } from './live-fragment.ts';
import { SAME_TIME_TICKS } from './merged-stream.ts';
import type { ArrivedText, Irregularity, TrackStart } from './segmented-event.ts';
import type { SessionTimeline } from './session-timeline.ts';
import type { ClaimedTrack, TrackRegistry } from './track-registry.ts';

/** Of one fragment; a cue of ads is some hundred bytes, a page of captions some thousand. */
export const TEXT_FRAGMENT_BYTES_MAX = 256 * 1024;
/** What waits for the first picture or sound; older ones make room. */
export const TEXTS_HELD_MAX = 16;
/** Times of a track that are remembered, to know repetitions by. */
const SEEN_MAX = 32;
/** Text of a live event lies near its live position; what lies elsewhere goes by another clock. */
const BEHIND_TICKS_MAX = 60 * TICKS_PER_SECOND;
const AHEAD_TICKS_MAX = 30 * TICKS_PER_SECOND;

export interface TextTracksDeps {
  readonly registry: Pick<TrackRegistry, 'shareText'>;
  readonly timeline: Pick<SessionTimeline, 'positionTicks' | 'discontinuityAt'>;
  readonly output: {
    trackKnown(track: ClaimedTrack['track']): void;
    trackStarted(start: TrackStart): void;
    sampleTaken(track: ClaimedTrack['track'], dtsTicks: number, sizeBytes: number): void;
    irregular(track: ClaimedTrack['track'], irregularity: Irregularity): void;
    fragment(fragment: LiveFragment): void;
  };
}

/**
 * The sparse tracks of a live event. Each fragment stays what it was, is put on the timeline with the media's offset and
 * handed on at once: it moves no live position, cuts nothing, and nothing waits for it.
 */
export class TextTracks {
  readonly #deps: TextTracksDeps;
  /** By folder, where its newest fragments begin. */
  readonly #seen = new Map<string, number[]>();
  #held: ArrivedText[] = [];

  constructor(deps: TextTracksDeps) {
    this.#deps = deps;
  }

  /** Without an offset it waits for `placed`. */
  add(arrived: ArrivedText, offsetTicks: number | undefined): void {
    if (sizeOf(arrived.fragment) > TEXT_FRAGMENT_BYTES_MAX) return;
    if (offsetTicks !== undefined) {
      this.#emit(arrived, offsetTicks, this.#deps.timeline.positionTicks);
      return;
    }
    this.#held.push(arrived);
    if (this.#held.length > TEXTS_HELD_MAX) this.#held.shift();
  }

  /** The media has a place on the timeline, where it goes on at `atTicks`, and so has what came before it. */
  placed(offsetTicks: number, atTicks: number): void {
    const held = this.#held;
    this.#held = [];
    for (const arrived of held) this.#emit(arrived, offsetTicks, atTicks);
  }

  #emit({ streamId, description, fragment }: ArrivedText, offsetTicks: number, liveTicks: number): void {
    const { format } = description;
    if (format.kind !== 'data') return;
    const claimed = this.#claim(description, format);
    if (claimed === undefined) return;
    const { track, formatIndex } = claimed;
    const decodeTimeTicks = fragment.timestampTicks + offsetTicks;
    const durationTicks = durationOf(fragment);
    const seen = this.#seen.get(track.folder) ?? [];
    // Encoders repeat what they sent last after a reconnect, and two of them send the same.
    if (seen.some((ticks) => Math.abs(ticks - decodeTimeTicks) <= SAME_TIME_TICKS)) return;
    const newestTicks = seen.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (!isNear(decodeTimeTicks, liveTicks) || decodeTimeTicks < newestTicks) {
      this.#deps.output.irregular(track, {
        kind: 'overlap',
        timestampTicks: decodeTimeTicks,
        isDropped: true,
      });
      return;
    }
    this.#seen.set(track.folder, [...seen, decodeTimeTicks].slice(-SEEN_MAX));
    const { output, timeline } = this.#deps;
    if (seen.length === 0) {
      output.trackStarted({ track, streamId, timestampTicks: decodeTimeTicks, durationTicks });
    }
    const sequence = movieSequenceAt(decodeTimeTicks);
    const { samples } = fragment;
    const { head, payload, sizeBytes } = writeFragment({ track, sequence, decodeTimeTicks, samples });
    output.sampleTaken(track, decodeTimeTicks, sizeOf(fragment));
    output.fragment({
      track,
      decodeTimeTicks,
      durationTicks,
      sampleCount: samples.length,
      discontinuity: timeline.discontinuityAt(decodeTimeTicks),
      formatIndex,
      bytes: Buffer.concat([head, ...payload], sizeBytes),
    });
  }

  #claim(description: PublishedTrack, format: DataFormat): ClaimedTrack | undefined {
    const names = identifyText(description);
    const claimed = this.#deps.registry.shareText(names, format, description.declaredBitrateBps ?? 0);
    if (claimed !== undefined && !this.#seen.has(claimed.track.folder)) {
      this.#deps.output.trackKnown(claimed.track);
    }
    return claimed;
  }
}

function isNear(ticks: number, liveTicks: number): boolean {
  return ticks >= liveTicks - BEHIND_TICKS_MAX && ticks <= liveTicks + AHEAD_TICKS_MAX;
}

function sizeOf({ samples }: TextFragment): number {
  return samples.reduce((total, { data }) => total + data.byteLength, 0);
}

/** An index has no fragment of nothing. */
function durationOf({ samples }: TextFragment): number {
  return Math.max(
    1,
    samples.reduce((total, { durationTicks }) => total + durationTicks, 0),
  );
}
