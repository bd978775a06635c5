import type { Cue } from './captions.ts';

export interface CaptionFile {
  /** BCP 47. */
  readonly language: string;
  /** What made the text, for whoever reads the file. */
  readonly madeBy: string;
  readonly cues: readonly Cue[];
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/**
 * A WebVTT file (W3C WebVTT §4.1) with the header `Language`, of which the language of a text track is read, and the
 * original's notes of language and confidence.
 */
export function writeWebVtt({ language, madeBy, cues }: CaptionFile): string {
  const notes = [`NOTE language:${escaped(language)}`, `NOTE recognizer:${escaped(madeBy)}`];
  const blocks = [`WEBVTT\nKind: captions\nLanguage: ${language}`, ...notes, ...cues.flatMap(cueBlocks)];
  return `${blocks.join('\n\n')}\n`;
}

function cueBlocks({ startMs, endMs, lines, confidence }: Cue): readonly string[] {
  const note = confidence === undefined ? [] : [`NOTE Confidence: ${Number(confidence.toFixed(4))}`];
  return [...note, `${clockTime(startMs)} --> ${clockTime(endMs)}\n${lines.map(escaped).join('\n')}`];
}

/** §4.2.2: `-->` cannot stand in text, and neither can what a tag or an entity begins with. */
const escaped = (text: string): string => text.replace(/[&<>]/g, (character) => ESCAPES[character] ?? '');

/** `hh:mm:ss.ttt`, of WebVTT and TTML alike; hours have as many digits as they need. */
export function clockTime(ms: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const fraction = String(ms % 1000).padStart(3, '0');
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${fraction}`;
}
