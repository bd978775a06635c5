import { z } from 'zod';
import type { SpokenWord } from '../analysis/transcript.ts';

const WORDS_MAX = 200_000;
const milliseconds = z.number().min(0).max(1e9);

const Word = z.object({
  text: z.string(),
  offsetMilliseconds: milliseconds,
  durationMilliseconds: milliseconds.default(0),
});

const Phrase = z.object({
  text: z.string(),
  offsetMilliseconds: milliseconds,
  durationMilliseconds: milliseconds.default(0),
  words: z.array(Word).max(WORDS_MAX).optional(),
  locale: z.string().max(35).optional(),
  confidence: z.number().min(0).max(1).optional(),
});

const Transcription = z.object({ phrases: z.array(Phrase).max(WORDS_MAX) });

const Refusal = z.object({
  error: z.object({
    code: z.string().max(200).optional(),
    message: z.string().max(2000).optional(),
    innerError: z.object({ message: z.string().max(2000).optional() }).optional(),
  }),
});

export interface AzureTranscription {
  readonly words: readonly SpokenWord[];
  /** Of most of what was said. */
  readonly locale: string | undefined;
}

/** An answer of the fast transcription API, version 2024-11-15; undefined: it is something else. */
export function readTranscription(json: unknown): AzureTranscription | undefined {
  const parsed = Transcription.safeParse(json);
  if (!parsed.success) return undefined;
  const spokenMs = new Map<string, number>();
  const words = parsed.data.phrases.flatMap((phrase) => {
    if (phrase.locale !== undefined) {
      const before = spokenMs.get(phrase.locale) ?? 0;
      spokenMs.set(phrase.locale, before + phrase.durationMilliseconds + 1);
    }
    const parts = phrase.words === undefined || phrase.words.length === 0 ? [phrase] : phrase.words;
    return parts.map((part) => ({
      text: part.text,
      startMs: part.offsetMilliseconds,
      endMs: part.offsetMilliseconds + part.durationMilliseconds,
      confidence: phrase.confidence,
    }));
  });
  const [most] = [...spokenMs].sort(([, left], [, right]) => right - left);
  return { words: words.slice(0, WORDS_MAX), locale: most?.[0] };
}

/** What the service says of a refusal; nothing that was sent. */
export function refusalText(json: unknown): string {
  const parsed = Refusal.safeParse(json);
  if (!parsed.success) return '';
  const { code, message, innerError } = parsed.data.error;
  return [code, innerError?.message ?? message].filter((part) => part !== undefined).join(': ');
}
