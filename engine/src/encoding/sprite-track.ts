import type { Size } from './picture-size.ts';

interface Sprite {
  /** The name of the image, beside which the track lies. */
  readonly image: string;
  /** Of one thumbnail. */
  readonly size: Size;
  readonly columns: number;
  /** When each thumbnail begins, and at last when the last one ends; seconds. */
  readonly times: readonly number[];
}

/** A WebVTT track of where in an image the thumbnail of a time is (Media Fragments URI 1.0 §4.2.2). */
export function writeSpriteTrack({ image, size: { width, height }, columns, times }: Sprite): string {
  const cues = times.slice(1).map((until, at) => {
    const left = (at % columns) * width;
    const top = Math.floor(at / columns) * height;
    const address = `${encodeURIComponent(image)}#xywh=${left},${top},${width},${height}`;
    return `${clockTime(times[at] ?? 0)} --> ${clockTime(until)}\n${address}\n`;
  });
  return ['WEBVTT\n', ...cues].join('\n');
}

/** WebVTT §4.3: `00:00:05.000`. */
function clockTime(timeSeconds: number): string {
  const ms = Math.round(timeSeconds * 1000);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const fraction = String(ms % 1000).padStart(3, '0');
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${fraction}`;
}
