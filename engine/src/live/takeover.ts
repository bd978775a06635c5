import type { TrackKey } from '../ingest/publish-session.ts';
import type { HeldSample } from './look-back.ts';

/** So many equal samples (or one key frame) are no coincidence: skipped pictures of a still are a few equal bytes each. */
const EQUAL_SAMPLES_MIN = 8;
/** Key frames of the encoder in use that are looked for in what the other has sent. */
const KEY_FRAMES_COMPARED_MAX = 16;

/** How one encoder connection follows another of the same stream. */
export type Takeover =
  /** Both carry the same bytes: the standby goes on after the last sample used. Its times plus `shiftTicks` are the other's. */
  | { readonly kind: 'seamless'; readonly shiftTicks: number }
  /** The bytes differ: it begins at the sample `from` of its own, a key frame, as another session. */
  | { readonly kind: 'discontinuity'; readonly from: number };

/**
 * Decides by comparing what both have sent: clocks of two connections may differ and still carry one encoder's output,
 * and two encoders may count alike and not send the same.
 */
export function decideTakeover(
  used: readonly HeldSample[],
  standby: readonly HeldSample[],
  lastUsedAtMs: number,
): Takeover {
  for (const shiftTicks of candidateShifts(used, standby)) {
    if (carriesTheSame(used, standby, shiftTicks)) return { kind: 'seamless', shiftTicks };
  }
  return { kind: 'discontinuity', from: beginningNear(standby, lastUsedAtMs) };
}

/** Equal clocks first: a loop that is played again and again is equal to itself at other times too. */
function* candidateShifts(
  used: readonly HeldSample[],
  standby: readonly HeldSample[],
): Generator<number, void, undefined> {
  yield 0;
  let compared = 0;
  for (const theirs of used.toReversed()) {
    if (!isKeyFrame(theirs)) continue;
    compared += 1;
    if (compared > KEY_FRAMES_COMPARED_MAX) return;
    const same = standby.find((ours) => isKeyFrame(ours) && isSameSample(ours, theirs));
    if (same !== undefined) yield theirs.sample.dtsTicks - same.sample.dtsTicks;
  }
}

/** Everything that both have of the same times is equal, and that is enough to be sure. */
function carriesTheSame(
  used: readonly HeldSample[],
  standby: readonly HeldSample[],
  shiftTicks: number,
): boolean {
  const theirs = new Map(used.map((held) => [nameOf(held.key, held.sample.dtsTicks), held]));
  let equal = 0;
  let hasKeyFrame = false;
  for (const ours of standby) {
    const same = theirs.get(nameOf(ours.key, ours.sample.dtsTicks + shiftTicks));
    if (same === undefined) continue;
    if (!isSameSample(ours, same)) return false;
    equal += 1;
    hasKeyFrame ||= isKeyFrame(ours);
  }
  return hasKeyFrame || equal >= EQUAL_SAMPLES_MIN;
}

/** The newest beginning before the other encoder fell silent: a little is shown twice and nothing is missed. */
function beginningNear(standby: readonly HeldSample[], lastUsedAtMs: number): number {
  const hasVideo = standby.some(({ track }) => track.type === 'video');
  const isBeginning = (held: HeldSample) => (hasVideo ? isKeyFrame(held) : true);
  const before = standby.findLastIndex((held) => isBeginning(held) && held.arrivedAtMs <= lastUsedAtMs);
  return before === -1 ? Math.max(0, standby.findIndex(isBeginning)) : before;
}

function isKeyFrame({ track, sample }: HeldSample): boolean {
  return track.type === 'video' && sample.isRandomAccessPoint;
}

function isSameSample(left: HeldSample, right: HeldSample): boolean {
  const [a, b] = [left.sample, right.sample];
  return (
    left.key === right.key &&
    a.data.byteLength === b.data.byteLength &&
    a.compositionOffsetTicks === b.compositionOffsetTicks &&
    Buffer.compare(a.data, b.data) === 0
  );
}

function nameOf(key: TrackKey, dtsTicks: number): string {
  return `${dtsTicks} ${key}`;
}
