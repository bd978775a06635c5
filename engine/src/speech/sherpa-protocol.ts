import { z } from 'zod';
import { type Interval, lengthMs } from '../analysis/audio-chunks.ts';
import type { SpokenWord } from '../analysis/transcript.ts';

/** What the process that loads the model is told, in a file of the working folder. */
export const SherpaTask = z.object({
  soundPath: z.string(),
  model: z.object({
    kind: z.enum(['transducer', 'whisper', 'moonshine']),
    encoder: z.string(),
    decoder: z.string(),
    joiner: z.string().optional(),
    tokens: z.string(),
  }),
  /** Of a Whisper model, in its two letters; empty: to be detected. */
  language: z.string(),
  threads: z.number(),
  chunks: z.array(z.object({ startMs: z.number(), endMs: z.number() })),
});
export type SherpaTask = z.output<typeof SherpaTask>;

/** What the package answers for a chunk; lists may be empty. */
export const SherpaResult = z.object({
  text: z.string().default(''),
  lang: z.string().max(40).default(''),
  tokens: z.array(z.string()).default([]),
  timestamps: z.array(z.number()).default([]),
  ys_log_probs: z.array(z.number()).default([]),
});
export type SherpaResult = z.output<typeof SherpaResult>;

/** A line that the process prints. */
export const SherpaLine = z.union([
  z.object({ chunk: z.number().int().min(0), result: SherpaResult }),
  z.object({ problem: z.string().max(2000) }),
]);

/** Byte-pair tokens that begin a word have a space, or this sign for one. */
const WORD_START = /^[\s▁]/u;
const WORD_SEPARATORS = /[\s▁]+/u;
/** Of the last word of a chunk, whose end nothing tells. */
const LAST_WORD_MS = 400;

/**
 * Words with times from the chunk's start, of which `sounding` is not silent. Without times of tokens, those of words are
 * their share of that.
 */
export function sherpaWords(
  result: SherpaResult,
  chunkMs: number,
  sounding: readonly Interval[],
): readonly SpokenWord[] {
  const { tokens, timestamps } = result;
  if (tokens.length === 0 || timestamps.length !== tokens.length) return sharedTimes(result.text, sounding);
  const words: { text: string; startMs: number; first: number; after: number }[] = [];
  for (const [index, token] of tokens.entries()) {
    const last = words.at(-1);
    if (last === undefined || WORD_START.test(token)) {
      const startMs = Math.round((timestamps[index] ?? 0) * 1000);
      words.push({ text: token.replace(WORD_START, ''), startMs, first: index, after: index + 1 });
    } else {
      last.text += token;
      last.after = index + 1;
    }
  }
  return words.map(({ text, startMs, first, after }, index) => ({
    text,
    startMs,
    endMs: Math.min(chunkMs, words[index + 1]?.startMs ?? startMs + LAST_WORD_MS),
    confidence: confidenceOf(result, first, after),
  }));
}

function confidenceOf({ tokens, ys_log_probs }: SherpaResult, first: number, after: number) {
  if (ys_log_probs.length !== tokens.length) return undefined;
  const logs = ys_log_probs.slice(first, after);
  return Math.exp(logs.reduce((sum, value) => sum + value, 0) / logs.length);
}

function sharedTimes(text: string, sounding: readonly Interval[]): readonly SpokenWord[] {
  const words = text.split(WORD_SEPARATORS).filter((word) => word !== '');
  const perCharacter = lengthMs(sounding) / words.reduce((sum, word) => sum + word.length, 0);
  let before = 0;
  return words.map((word) => {
    const [startMs, middleMs, endMs] = [0, 0.5, 1].map(
      (part) => (before + part * word.length) * perCharacter,
    );
    before += word.length;
    return {
      text: word,
      ...within(sounding, { startMs: startMs ?? 0, middleMs: middleMs ?? 0, endMs: endMs ?? 0 }),
      confidence: undefined,
    };
  });
}

/** Of milliseconds of sound those of the chunk: in the stretch that the middle is in, so that no word is in a pause. */
function within(
  sounding: readonly Interval[],
  word: { readonly startMs: number; readonly middleMs: number; readonly endMs: number },
): Interval {
  let earlierMs = 0;
  for (const [index, stretch] of sounding.entries()) {
    const soundMs = stretch.endMs - stretch.startMs;
    if (word.middleMs < earlierMs + soundMs || index === sounding.length - 1) {
      const at = (ms: number) => stretch.startMs + Math.min(soundMs, Math.max(0, Math.floor(ms - earlierMs)));
      const startMs = Math.min(at(word.startMs), stretch.endMs - 1);
      return { startMs, endMs: Math.max(startMs + 1, at(word.endMs)) };
    }
    earlierMs += soundMs;
  }
  return { startMs: 0, endMs: 1 };
}
