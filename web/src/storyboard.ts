import { clockText } from './model.ts';
import { element } from './view.ts';

/** One of the small pictures: a part of a sprite, and when it is on the screen. */
export interface Tile {
  readonly startSeconds: number;
  readonly image: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const TILES_READ_MAX = 500;
/** So many are shown, evenly; the whole second of each is told once. */
const TILES_SHOWN_MAX = 24;
const VTT_CHARS_MAX = 1_000_000;
const FETCH_WITHIN_MS = 15_000;
const CUE = /^((?:\d+:)?\d{2}:\d{2}\.\d{3})\s+-->.*\n+(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)\s*$/gm;

/** The tiles that a WebVTT file of thumbnails names; addresses are relative to its own. */
export function readTiles(vtt: string, baseUrl: string): readonly Tile[] {
  return [...vtt.replaceAll('\r\n', '\n').slice(0, VTT_CHARS_MAX).matchAll(CUE)]
    .slice(0, TILES_READ_MAX)
    .map(([, start = '', image = '', ...xywh]) => {
      const [x = 0, y = 0, width = 0, height = 0] = xywh.map(Number);
      return { startSeconds: secondsOf(start), image: new URL(image, baseUrl).href, x, y, width, height };
    });
}

/** Those that are far enough apart to be chosen from. */
export function chooseTiles(tiles: readonly Tile[]): readonly Tile[] {
  const apart = tiles.filter(
    ({ startSeconds }, index) =>
      index === 0 || Math.floor(startSeconds) > Math.floor(tiles[index - 1]?.startSeconds ?? 0),
  );
  const step = Math.max(1, apart.length / TILES_SHOWN_MAX);
  return apart.filter((_, index) => Math.floor(index / step) > Math.floor((index - 1) / step));
}

function secondsOf(text: string): number {
  return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** Small pictures below the player: each leads to its moment. */
export class Storyboard {
  readonly #video: HTMLVideoElement;
  #shown = '';

  constructor(video: HTMLVideoElement) {
    this.#video = video;
  }

  show(vttUrl: string | undefined): void {
    if (vttUrl === undefined || vttUrl === this.#shown) return;
    this.#shown = vttUrl;
    this.#load(vttUrl).catch(() => {
      // Published a moment later: the next round asks again.
      this.#shown = '';
    });
  }

  async #load(vttUrl: string): Promise<void> {
    const response = await fetch(vttUrl, { signal: AbortSignal.timeout(FETCH_WITHIN_MS) });
    if (!response.ok) throw new Error(`${response.status}`);
    const tiles = chooseTiles(readTiles(await response.text(), vttUrl));
    element('storyboard', HTMLElement).hidden = tiles.length === 0;
    element('tiles', HTMLElement).replaceChildren(...tiles.map((tile) => this.#button(tile)));
  }

  #button({ startSeconds, image, x, y, width, height }: Tile): HTMLLIElement {
    const row = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-label', `Go to ${clockText(startSeconds)}`);
    const picture = document.createElement('span');
    Object.assign(picture.style, {
      width: `${width}px`,
      height: `${height}px`,
      backgroundImage: `url("${encodeURI(decodeURI(image))}")`,
      backgroundPosition: `-${x}px -${y}px`,
    });
    const time = document.createElement('small');
    time.textContent = clockText(startSeconds);
    button.append(picture, time);
    button.addEventListener('click', () => {
      this.#video.currentTime = startSeconds;
    });
    row.append(button);
    return row;
  }
}
