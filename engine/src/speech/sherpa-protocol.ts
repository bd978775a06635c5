import { z } from 'zod';
import type { SpokenWord } from '../analysis/transcript.ts';

/** What the process that loads the model is told, in a file of the working folder. */
export const SherpaTask = z.object({
  soundPath: z.string(),
  model: z.object({
    kind: z.enum(['transducer', 'whisper']),
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

/** Words with times from the chunk's start. Without times of tokens, those of words are their share of the chunk. */
export function sherpaWords(result: SherpaResult, chunkMs: number): readonly SpokenWord[] {
  const { tokens, timestamps } = result;
  if (tokens.length === 0 || timestamps.length !== tokens.length) return sharedTimes(result.text, chunkMs);
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

function sharedTimes(text: string, chunkMs: number): readonly SpokenWord[] {
  const words = text.split(WORD_SEPARATORS).filter((word) => word !== '');
  const length = words.reduce((sum, word) => sum + word.length, 0);
  let before = 0;
  return words.map((word) => {
    const startMs = Math.floor((chunkMs * before) / length);
    before += word.length;
    return {
      text: word,
      startMs,
      endMs: Math.floor((chunkMs * before) / length),
      confidence: undefined,
    };
  });
}
