/** A frame of which a filter of FFmpeg told something, as `metadata=print` and `ametadata=print` write it. */
export interface FrameNote {
  /** Ticks of the time base that the filter saw. */
  readonly pts: number;
  readonly value: number;
}

/** A file of notes larger than this is read no further. */
export const NOTES_BYTES_MAX = 16 * 1024 * 1024;
const NOTES_MAX = 200_000;
const FRAME = /^frame:\d+\s+pts:(-?\d{1,18})\s/;
const VALUE = /^lavfi\.[\w.]{1,100}=(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

/** The notes in a file that has one key, in order; lines that are something else are passed over. */
export function frameNotes(text: string): readonly FrameNote[] {
  const notes: FrameNote[] = [];
  let pts: number | undefined;
  for (const line of text.split('\n')) {
    const frame = FRAME.exec(line)?.[1];
    if (frame !== undefined) {
      pts = Number(frame);
      continue;
    }
    const value = VALUE.exec(line)?.[1];
    if (value === undefined || pts === undefined) continue;
    notes.push({ pts, value: Number(value) });
    if (notes.length >= NOTES_MAX) break;
  }
  return notes;
}

/** The last value of a key in the end of a file that has several; undefined when there is none, or no number. */
export function lastValue(text: string, key: string): number | undefined {
  const at = text.lastIndexOf(`\n${key}=`);
  if (at < 0) return undefined;
  const value = Number(text.slice(at + key.length + 2).split('\n', 1)[0]);
  return Number.isFinite(value) ? value : undefined;
}
