import type { SpokenWord } from '../analysis/transcript.ts';

/** A word with its times in seconds and its probability; hypotheses, a line each, come before their words. */
const WORD = /^(\S{1,100}) (\d{1,6}\.\d{3}) (\d{1,6}\.\d{3}) (\d(?:\.\d{1,12})?(?:e-?\d{1,3})?)$/;
/** Silence, noise and the marks of beginnings and ends. */
const FILLER = /^(?:<.*>|\[.*\]|\+\+.*\+\+)$/;
/** Which of several pronunciations it was. */
const VARIANT = /\(\d+\)$/;
/** An hour of the fastest talker, many times over. */
const WORDS_MAX = 200_000;

/** What `pocketsphinx_continuous -time yes` prints of one file. */
export function pocketSphinxWords(output: string): readonly SpokenWord[] {
  const words: SpokenWord[] = [];
  for (const line of output.split('\n')) {
    const [, text, start, end, probability] = WORD.exec(line.trim()) ?? [];
    if (text === undefined || FILLER.test(text) || words.length >= WORDS_MAX) continue;
    words.push({
      text: text.replace(VARIANT, ''),
      startMs: Math.round(Number(start) * 1000),
      // Frames of 10 ms, the last one included.
      endMs: Math.round(Number(end) * 1000) + 10,
      confidence: Math.min(1, Number(probability)),
    });
  }
  return words;
}
