import type { TrackType } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';

/** Encoders interleave sound and picture much closer; further apart players run dry of one of them. */
export const TRACKS_OUT_OF_SYNC_TICKS = 2 * TICKS_PER_SECOND;
/** Qualities of one picture arrive over connections of their own; a player that changes quality waits for the later. */
export const VIDEO_OUT_OF_SYNC_TICKS = 2 * TICKS_PER_SECOND;
/** One look may fall into the middle of a burst. */
const LOOKS_MIN = 2;
/** What goes on is told again this often. */
const TOLD_AGAIN_MS = 20_000;

export interface SyncedTrack {
  readonly type: TrackType;
  /** The newest that has arrived. */
  readonly newestTicks: number;
  readonly fragment: { readonly timestampTicks: number; readonly durationTicks: number } | undefined;
}

export interface Lag {
  readonly behind: SyncedTrack;
  readonly ahead: SyncedTrack;
}

export interface SyncLook {
  /** Sound and picture, how far they are apart. */
  readonly isOutOfSync: boolean;
  readonly isVideoOutOfSync: boolean;
  /** To be told now. */
  readonly tell: { readonly tracks: Lag | undefined; readonly videos: Lag | undefined };
}

/** Watches whether the tracks that encoders feed now stay together; looked at every few seconds. */
export class SyncWatch {
  readonly #arrivesInFragments: boolean;
  readonly #tracks = new Persistent();
  readonly #videos = new Persistent();

  /** `arrivesInFragments`: tracks take turns, so they are apart by a fragment all the time. */
  constructor(arrivesInFragments: boolean) {
    this.#arrivesInFragments = arrivesInFragments;
  }

  look(fed: readonly SyncedTrack[], nowMs: number): SyncLook {
    const videos = fed.filter(({ type }) => type === 'video');
    const sounds = fed.filter(({ type }) => type === 'audio');
    const newest = [newestOf(videos), newestOf(sounds)].flatMap((track) => track ?? []);
    const turnTicks = this.#arrivesInFragments ? longestFragmentTicks(fed) : 0;
    const lag = lagOf(newest, TRACKS_OUT_OF_SYNC_TICKS + turnTicks);
    const videoLag = lagOf(videos, VIDEO_OUT_OF_SYNC_TICKS + turnTicks);
    return {
      isOutOfSync: this.#tracks.look(lag, nowMs),
      isVideoOutOfSync: this.#videos.look(videoLag, nowMs),
      tell: { tracks: this.#tracks.tell, videos: this.#videos.tell },
    };
  }
}

class Persistent {
  tell: Lag | undefined;
  #looks = 0;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  look(lag: Lag | undefined, nowMs: number): boolean {
    this.tell = undefined;
    this.#looks = lag === undefined ? 0 : this.#looks + 1;
    if (lag === undefined || this.#looks < LOOKS_MIN) return false;
    if (nowMs - this.#toldAtMs >= TOLD_AGAIN_MS) {
      this.tell = lag;
      this.#toldAtMs = nowMs;
    }
    return true;
  }
}

function longestFragmentTicks(tracks: readonly SyncedTrack[]): number {
  return Math.max(0, ...tracks.map(({ fragment }) => fragment?.durationTicks ?? 0));
}

function newestOf(tracks: readonly SyncedTrack[]): SyncedTrack | undefined {
  return tracks.toSorted((a, b) => b.newestTicks - a.newestTicks)[0];
}

function lagOf(tracks: readonly SyncedTrack[], ticksMax: number): Lag | undefined {
  const sorted = tracks.toSorted((a, b) => a.newestTicks - b.newestTicks);
  const [behind] = sorted;
  const ahead = sorted.at(-1);
  if (behind === undefined || ahead === undefined) return undefined;
  return ahead.newestTicks - behind.newestTicks > ticksMax ? { behind, ahead } : undefined;
}
