/** host.json's `maxConcurrentRequests` and `maxOutstandingRequests`: so many at once, so many more in line. */
export interface RequestGate {
  /** Waits for a place; false when there are too many already. Whoever got one gives it back with `leave`. */
  enter(): Promise<boolean>;
  leave(): void;
  /** Running and waiting together. */
  readonly outstanding: number;
}

export function openRequestGate(concurrentMax: number, outstandingMax: number): RequestGate {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async enter() {
      if (running + waiting.length >= outstandingMax) return false;
      if (running < concurrentMax) running += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return true;
    },
    leave() {
      // The place goes to the next in line, so `running` stays as it is.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    },
    get outstanding() {
      return running + waiting.length;
    },
  };
}
