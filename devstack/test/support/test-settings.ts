/** What a long run asks of the tests; the defaults are what `npm test` does. */
export interface TestSettings {
  /** How many times a process is killed (twice in a row each). */
  readonly killRounds: number;
  /** Chooses targets and moments; a run prints its own. */
  readonly seed: number;
}

/** Each part once. */
const KILL_ROUNDS = 6;
const KILL_ROUNDS_MAX = 1000;

export function readTestSettings(): TestSettings {
  return {
    killRounds: Math.min(wholeNumber('HEADEND_KILL_ROUNDS') ?? KILL_ROUNDS, KILL_ROUNDS_MAX),
    seed: wholeNumber('HEADEND_TEST_SEED') ?? Math.floor(Math.random() * 2 ** 31),
  };
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function wholeNumber(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,10}$/.test(text)) throw new TypeError(`${name} is "${text}", not a whole number`);
  return Number(text);
}
