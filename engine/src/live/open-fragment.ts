import type { Sample, TimedSample } from '../model/sample.ts';

/** Samples of one track that make one fragment; durations are known, so decode times are contiguous. */
export interface ClosedFragment {
  readonly decodeTimeTicks: number;
  readonly durationTicks: number;
  readonly payloadBytes: number;
  readonly samples: readonly TimedSample[];
}

export const FRAGMENT_SAMPLES_MAX = 60_000;
export const FRAGMENT_PAYLOAD_BYTES_MAX = 32 * 1024 * 1024;

/** The fragment being filled. Times must ascend strictly; whoever adds sees to that. */
export class OpenFragment {
  #samples: Sample[] = [];
  #payloadBytes = 0;

  get startTicks(): number | undefined {
    return this.#samples[0]?.dtsTicks;
  }

  get lastDtsTicks(): number | undefined {
    return this.#samples.at(-1)?.dtsTicks;
  }

  canTake(sample: Sample): boolean {
    return (
      this.#samples.length < FRAGMENT_SAMPLES_MAX &&
      this.#payloadBytes + sample.data.byteLength <= FRAGMENT_PAYLOAD_BYTES_MAX
    );
  }

  add(sample: Sample): void {
    this.#samples.push(sample);
    this.#payloadBytes += sample.data.byteLength;
  }

  /** Closes what lies before `boundaryTicks` and keeps the rest; the last sample lasts until its successor. */
  closeBefore(boundaryTicks: number, successorTicks: number): ClosedFragment | undefined {
    const found = this.#samples.findIndex((sample) => sample.dtsTicks >= boundaryTicks);
    const count = found === -1 ? this.#samples.length : found;
    const closed = this.#samples.slice(0, count);
    const rest = this.#samples.slice(count);
    const fragment = closeFragment(closed, rest[0]?.dtsTicks ?? successorTicks);
    this.#samples = rest;
    this.#payloadBytes = sizeOf(rest);
    return fragment;
  }

  /** What a close would give now, leaving the fragment open (the tail of an output that ends mid-fragment). */
  snapshot(lastDurationTicks: number): ClosedFragment | undefined {
    const last = this.lastDtsTicks;
    return last === undefined ? undefined : closeFragment(this.#samples, last + lastDurationTicks);
  }
}

function closeFragment(samples: readonly Sample[], endTicks: number): ClosedFragment | undefined {
  const first = samples[0];
  if (first === undefined) return undefined;
  const timed = samples.map(
    ({ dtsTicks, compositionOffsetTicks, isRandomAccessPoint, data }, index): TimedSample => ({
      dtsTicks,
      compositionOffsetTicks,
      isRandomAccessPoint,
      data,
      durationTicks: (samples[index + 1]?.dtsTicks ?? endTicks) - dtsTicks,
    }),
  );
  return {
    decodeTimeTicks: first.dtsTicks,
    durationTicks: endTicks - first.dtsTicks,
    payloadBytes: sizeOf(samples),
    samples: timed,
  };
}

function sizeOf(samples: readonly Sample[]): number {
  return samples.reduce((total, sample) => total + sample.data.length, 0);
}
