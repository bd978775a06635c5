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
    chunks.push({ startMs, endMs, isSilent: soundMs({ startMs, endMs }, silences) < SPOKEN_MS_MIN });
    startMs = endMs;
  }
  return chunks;
}

/** How much of `within` is not silent. */
function soundMs(within: Interval, silences: readonly Interval[]): number {
  let left = within.endMs - within.startMs;
  for (const { startMs, endMs } of silences) {
    left -= Math.max(0, Math.min(endMs, within.endMs) - Math.max(startMs, within.startMs));
  }
  return left;
}

/** What was heard in a chunk, on the time line of all: nothing outside of the chunk, not a millisecond moved. */
export function wordsOnTimeLine(chunk: Interval, heard: readonly SpokenWord[]): readonly SpokenWord[] {
  const lengthMs = chunk.endMs - chunk.startMs;
  return heard.flatMap((word) => {
    const startMs = Math.max(0, word.startMs);
    const endMs = Math.min(lengthMs, word.endMs);
    return endMs > startMs
      ? [{ ...word, startMs: chunk.startMs + startMs, endMs: chunk.startMs + endMs }]
      : [];
  });
}
