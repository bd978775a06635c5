import type { PresentationIndex, PresentationSource, TrackIndex } from '../model/presentation.ts';
import { ClientGone } from './origin-errors.ts';

/** Players give up after about three empty playlists; one key-frame interval is rarely longer than this. */
const HOLD_MS_MAX_DEFAULT = 15_000;
/** Of all presentations together; who comes when there are so many is answered at once, with what there is. */
const WAITERS_MAX = 5_000;
const LOOK_EVERY_MS = 50;
/** A track that is still empty when another has more than these is late, and nobody's MPD waits for it. */
const STARTING_FRAGMENTS_MAX = 2;

/** Calls back once when the client is gone; the result stops listening. */
export type OnGone = (listener: () => void) => () => void;

type Asked = Pick<PresentationSource, 'index'>;
type IsComplete = (index: PresentationIndex) => boolean;

type Outcome = PresentationIndex | 'as it is' | 'gone';

interface Waiter {
  readonly isComplete: IsComplete;
  readonly settle: (outcome: Outcome) => void;
}

/** Requests for manifests of live presentations whose first fragment is on its way. */
export class FirstFragmentHold {
  readonly #holdMsMax: number;
  readonly #waiters = new Map<Asked, Set<Waiter>>();
  #count = 0;
  #isClosed = false;

  constructor(holdMsMax: number = HOLD_MS_MAX_DEFAULT) {
    this.#holdMsMax = holdMsMax;
  }

  /**
   * The first index that is complete; the last one known when that takes too long or too many wait. Rejects with
   * `ClientGone`, or with what `source.index()` rejects with when the time is up; one that fails meanwhile is asked again.
   */
  async until(
    source: Asked,
    index: PresentationIndex,
    { isComplete, onGone }: { readonly isComplete: IsComplete; readonly onGone: OnGone },
  ): Promise<PresentationIndex> {
    if (isComplete(index) || this.#isClosed || this.#count >= WAITERS_MAX) return index;
    this.#count += 1;
    const outcome = await new Promise<Outcome>((resolve) => {
      const waiters = this.#waitersOf(source);
      const settle = (settled: Outcome): void => {
        clearTimeout(timer);
        stopListening();
        waiters.delete(waiter);
        resolve(settled);
      };
      const waiter: Waiter = { isComplete, settle };
      const timer = setTimeout(() => settle('as it is'), this.#holdMsMax);
      const stopListening = onGone(() => settle('gone'));
      waiters.add(waiter);
    });
    this.#count -= 1;
    if (outcome === 'gone') throw new ClientGone();
    return outcome === 'as it is' ? source.index() : outcome;
  }

  /** Answers all who wait, now. */
  close(): void {
    this.#isClosed = true;
    for (const waiters of this.#waiters.values()) for (const { settle } of [...waiters]) settle('as it is');
  }

  #waitersOf(source: Asked): Set<Waiter> {
    const known = this.#waiters.get(source);
    if (known !== undefined) return known;
    const waiters = new Set<Waiter>();
    this.#waiters.set(source, waiters);
    // One look for all who wait for the same presentation.
    const look = async (): Promise<void> => {
      const index = waiters.size === 0 ? undefined : await source.index().catch(() => undefined);
      for (const { isComplete, settle } of [...waiters]) {
        if (index !== undefined && isComplete(index)) settle(index);
      }
      if (waiters.size === 0) this.#waiters.delete(source);
      else setTimeout(() => void look(), LOOK_EVERY_MS);
    };
    setTimeout(() => void look(), LOOK_EVERY_MS);
    return waiters;
  }
}

/** Whether a playlist of `track` has something to show, or never will have. */
export function isPlaylistComplete(index: PresentationIndex, folder: string): boolean {
  if (index.state !== 'live') return true;
  const fragments = index.tracks.find(({ track }) => track.folder === folder)?.fragments;
  return fragments === undefined || fragments.length > 0;
}

/** Whether an MPD would have every track that is starting now: players take badly to tracks that join a Period. */
export function isMpdComplete({ state, tracks }: PresentationIndex): boolean {
  if (state !== 'live' || tracks.length === 0) return true;
  return (
    tracks.every(hasFragments) || tracks.some(({ fragments }) => fragments.length > STARTING_FRAGMENTS_MAX)
  );
}

function hasFragments({ fragments }: TrackIndex): boolean {
  return fragments.length > 0;
}
