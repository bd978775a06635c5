/** What was heard, word by word, on the time line of the input. Times are whole milliseconds. */
export interface Transcript {
  /** BCP 47: of the model that listened, or detected by it. */
  readonly language: string;
  /** In order, one after the other. */
  readonly words: readonly SpokenWord[];
}

export interface SpokenWord {
  readonly text: string;
  readonly startMs: number;
  /** Above `startMs`. */
  readonly endMs: number;
  /** 0 to 1; undefined: the engine does not say. */
  readonly confidence: number | undefined;
}

/** Words that were said without a pause between them. */
export interface Phrase {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
  /** The mean of its words'. */
  readonly confidence: number | undefined;
  readonly words: readonly SpokenWord[];
}

/** Silence of this length ends a phrase, and a cue. */
export const PAUSE_MS_MIN = 600;
/** A phrase that goes on for longer is cut at its longest pause: nobody finds a place in a minute of text. */
const PHRASE_MS_MAX = 20_000;
const SENTENCE_END = /[.!?。！？…]["'”’)]?$/u;
/** A full stop ends a phrase only with some words before it (`Mr. Smith`). */
const SENTENCE_WORDS_MIN = 4;
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]$/u;
const BEGINS_UNSPACED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}。、！？]/u;
/** C0, C1 and what XML and WebVTT cannot hold. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\ufffe\uffff]+/gu;

/**
 * The words in order of time without overlaps, each with a text that can stand in any file: recognisers give words of no
 * length, words that overlap and texts of nothing.
 */
export function orderedWords(words: readonly SpokenWord[]): readonly SpokenWord[] {
  const ordered: SpokenWord[] = [];
  let freeFromMs = 0;
  for (const word of [...words].sort((left, right) => left.startMs - right.startMs)) {
    const text = word.text.replace(UNPRINTABLE, ' ').trim();
    if (text === '') continue;
    const startMs = Math.max(freeFromMs, Math.round(word.startMs));
    const endMs = Math.max(startMs + 1, Math.round(word.endMs));
    const { confidence } = word;
    const bounded = confidence === undefined ? undefined : Math.min(1, Math.max(0, confidence));
    ordered.push({ text, startMs, endMs, confidence: bounded });
    freeFromMs = endMs;
  }
  return ordered;
}

/** Cuts ordered words at pauses, ends of sentences and, where one goes on for long, at its longest pause. */
export function phrasesOf(words: readonly SpokenWord[]): readonly Phrase[] {
  const runs: SpokenWord[][] = [];
  let run: SpokenWord[] = [];
  for (const word of words) {
    const last = run.at(-1);
    if (last !== undefined && (word.startMs - last.endMs >= PAUSE_MS_MIN || endsSentence(run))) {
      runs.push(run);
      run = [];
    }
    run.push(word);
  }
  if (run.length > 0) runs.push(run);
  return runs.flatMap(shortRuns).map(phrase);
}

function endsSentence(run: readonly SpokenWord[]): boolean {
  return run.length >= SENTENCE_WORDS_MIN && SENTENCE_END.test(run.at(-1)?.text ?? '');
}

/** A loop with a list of what is still to be cut: a run may be of any length. */
function shortRuns(words: readonly SpokenWord[]): readonly (readonly SpokenWord[])[] {
  const short: (readonly SpokenWord[])[] = [];
  const open = [words];
  for (let run = open.pop(); run !== undefined; run = open.pop()) {
    const lengthMs = (run.at(-1)?.endMs ?? 0) - (run[0]?.startMs ?? 0);
    if (run.length < 2 || lengthMs <= PHRASE_MS_MAX) {
      short.push(run);
      continue;
    }
    const at = longestPause(run);
    open.push(run.slice(at), run.slice(0, at));
  }
  return short;
}

/** Of pauses alike the one nearest to the middle, so that few cuts are needed. */
function longestPause(run: readonly SpokenWord[]): number {
  const middle = run.length / 2;
  let best = { at: 1, pauseMs: -1 };
  for (const [index, word] of run.entries()) {
    const before = run[index - 1];
    if (before === undefined) continue;
    const pauseMs = word.startMs - before.endMs;
    const isNearer = Math.abs(index - middle) < Math.abs(best.at - middle);
    if (pauseMs > best.pauseMs || (pauseMs === best.pauseMs && isNearer)) best = { at: index, pauseMs };
  }
  return best.at;
}

function phrase(words: readonly SpokenWord[]): Phrase {
  return {
    text: joinedText(words),
    startMs: words[0]?.startMs ?? 0,
    endMs: words.at(-1)?.endMs ?? 0,
    confidence: meanConfidence(words),
    words,
  };
}

/** The words in a row, with spaces where their script has them. */
export function joinedText(words: readonly Pick<SpokenWord, 'text'>[]): string {
  let text = '';
  for (const word of words) text += separator(text, word.text) + word.text;
  return text;
}

/** What stands between a text and the word that follows. */
export const separator = (text: string, next: string): string =>
  text === '' || (UNSPACED.test(text) && BEGINS_UNSPACED.test(next)) ? '' : ' ';

/** Undefined when there is a word that none is known of. */
export function meanConfidence(words: readonly SpokenWord[]): number | undefined {
  if (words.length === 0) return undefined;
  let sum = 0;
  for (const { confidence } of words) {
    if (confidence === undefined) return undefined;
    sum += confidence;
  }
  return sum / words.length;
}
