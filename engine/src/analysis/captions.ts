import { PAUSE_MS_MIN, type Phrase, type SpokenWord, separator } from './transcript.ts';

/** A caption as it is shown: its lines from its start to its end. */
export interface Cue {
  readonly startMs: number;
  readonly endMs: number;
  readonly lines: readonly string[];
  readonly confidence: number | undefined;
}

/** What broadcasters keep to, so that everybody can read along. */
const LINES_MAX = 2;
export const LINE_LENGTH_MAX = 42;
export const CUE_MS_MAX = 7000;
/** A single word would be gone before it is read. */
const CUE_MS_MIN = 1000;

/** Cues of at most two lines of 42 characters and 7 s; they do not overlap and break where the speaker pauses. */
export function cuesOf(phrases: readonly Phrase[]): readonly Cue[] {
  const cues = phrases.flatMap(({ words, confidence }) =>
    inCues(words).map((part) => ({ part, confidence })),
  );
  return cues.map(({ part, confidence }, index) => {
    const startMs = part[0]?.startMs ?? 0;
    const spokenUntilMs = part.at(-1)?.endMs ?? startMs + 1;
    const nextMs = cues[index + 1]?.part[0]?.startMs ?? Number.POSITIVE_INFINITY;
    const endMs = Math.min(Math.max(spokenUntilMs, startMs + CUE_MS_MIN), nextMs, startMs + CUE_MS_MAX);
    return { startMs, endMs, lines: balancedLines(part), confidence };
  });
}

function inCues(words: readonly SpokenWord[]): readonly (readonly SpokenWord[])[] {
  const cues: SpokenWord[][] = [];
  let cue: SpokenWord[] = [];
  for (const word of words.flatMap(shortWords)) {
    const [first] = cue;
    const last = cue.at(-1);
    const isPause = last !== undefined && word.startMs - last.endMs >= PAUSE_MS_MIN;
    const isLong = first !== undefined && word.endMs - first.startMs > CUE_MS_MAX;
    if (cue.length > 0 && (isPause || isLong || filledLines([...cue, word]).length > LINES_MAX)) {
      cues.push(cue);
      cue = [];
    }
    cue.push(word);
  }
  if (cue.length > 0) cues.push(cue);
  return cues;
}

/** A word longer than a line is several, each with its share of the time. */
function shortWords(word: SpokenWord): readonly SpokenWord[] {
  const characters = [...word.text];
  if (characters.length <= LINE_LENGTH_MAX) return [word];
  const pieces: SpokenWord[] = [];
  const count = Math.min(Math.ceil(characters.length / LINE_LENGTH_MAX), word.endMs - word.startMs);
  const timeAt = (piece: number) => word.startMs + Math.round(((word.endMs - word.startMs) * piece) / count);
  for (let piece = 0; piece < count; piece += 1) {
    const text = characters
      .slice(piece * LINE_LENGTH_MAX, (piece + 1) * LINE_LENGTH_MAX)
      .join('')
      .trim();
    if (text !== '') pieces.push({ ...word, text, startMs: timeAt(piece), endMs: timeAt(piece + 1) });
  }
  return pieces;
}

/** Lines as full as they go. */
function filledLines(words: readonly Pick<SpokenWord, 'text'>[], lengthMax = LINE_LENGTH_MAX): string[] {
  const lines: string[] = [];
  let line = '';
  for (const { text } of words) {
    const longer = line + separator(line, text) + text;
    if (line !== '' && characterCount(longer) > lengthMax) {
      lines.push(line);
      line = text;
    } else {
      line = longer;
    }
  }
  return line === '' ? lines : [...lines, line];
}

/** Two lines are of about one length: easier to read than a full one and a word. */
function balancedLines(words: readonly SpokenWord[]): readonly string[] {
  const full = filledLines(words);
  if (full.length < 2) return full;
  for (let lengthMax = 1; lengthMax < LINE_LENGTH_MAX; lengthMax += 1) {
    const lines = filledLines(words, lengthMax);
    if (lines.length === full.length && lines.every((line) => characterCount(line) <= lengthMax))
      return lines;
  }
  return full;
}

const characterCount = (text: string): number => [...text].length;
