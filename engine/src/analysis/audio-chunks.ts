import type { SpokenWord } from './transcript.ts';

/** A stretch of time. Whole milliseconds. */
export interface Interval {
  readonly startMs: number;
  readonly endMs: number;
}

/** A piece of sound that is recognised by itself. */
export interface AudioChunk extends Interval {
  /** Nobody speaks in it. */
  readonly isSilent: boolean;
}

export interface ChunkLimits {
  /** Shorter ones are made only at the end. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** Less sound than this is no word. */
const SPOKEN_MS_MIN = 100;

/**
 * Cuts `durationMs` of sound, in the middle of the last pause that `limits` allow and hard where there is none. The
 * chunks follow each other without gaps, none is longer than `maxMs`, and the same cuts are made each time.
 */
export function audioChunks(
  durationMs: number,
  silences: readonly Interval[],
  { minMs, maxMs }: ChunkLimits,
): readonly AudioChunk[] {
  const pauses = silences.map(({ startMs, endMs }) => Math.round((startMs + endMs) / 2));
  const chunks: AudioChunk[] = [];
  let nextPause = 0;
  for (let startMs = 0; startMs < durationMs; ) {
    const latestMs = startMs + maxMs;
    let endMs = Math.min(latestMs, durationMs);
    if (latestMs < durationMs) {
      let cut: number | undefined;
      for (
        let pause = pauses[nextPause];
        pause !== undefined && pause <= latestMs;
        pause = pauses[nextPause]
      ) {
        if (pause >= startMs + minMs) cut = pause;
        nextPause += 1;
      }
      endMs = cut ?? endMs;
    }
    chunks.push({
      startMs,
      endMs,
      isSilent: lengthMs(soundIn({ startMs, endMs }, silences)) < SPOKEN_MS_MIN,
    });
    startMs = endMs;
  }
  return chunks;
}

/** The stretches of `within` that are not silent; `silences` are in order. */
export function soundIn(within: Interval, silences: readonly Interval[]): readonly Interval[] {
  const sounding: Interval[] = [];
  let { startMs } = within;
  for (const silence of silences) {
    const endMs = Math.min(silence.startMs, within.endMs);
    if (endMs > startMs) sounding.push({ startMs, endMs });
    startMs = Math.max(startMs, silence.endMs);
  }
  if (within.endMs > startMs) sounding.push({ startMs, endMs: within.endMs });
  return sounding;
}

export const lengthMs = (intervals: readonly Interval[]): number =>
  intervals.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);

/** What was heard in a chunk, on the time line of all: nothing outside of the chunk, not a millisecond moved. */
export function wordsOnTimeLine(chunk: Interval, heard: readonly SpokenWord[]): readonly SpokenWord[] {
  return heard.flatMap((word) => {
    const startMs = Math.max(0, word.startMs);
    const endMs = Math.min(chunk.endMs - chunk.startMs, word.endMs);
    return endMs > startMs
      ? [{ ...word, startMs: chunk.startMs + startMs, endMs: chunk.startMs + endMs }]
      : [];
  });
}
