import type { BuiltInPreset } from './encoding-request.ts';
import { framesPerSecond } from './frame-rate.ts';
import { fitInto, type Size } from './picture-size.ts';
import type { Ratio } from './source.ts';

/** One quality of a built-in preset. */
export interface Rung {
  readonly size: Size;
  readonly bitrateBps: number;
}

type PresetName = BuiltInPreset['presetName'];
/** Kilobits per second, and the box that pictures are fitted into. */
type BoxedRung = readonly [kbps: number, width: number, height: number];

const KILOBITS = 1000;
const BOX = {
  '2160': [3840, 2160],
  '1080': [1920, 1080],
  '720': [1280, 720],
  '540': [960, 540],
  '480': [848, 480],
  '360': [640, 360],
  '270': [480, 270],
  '240': [432, 240],
  '180': [320, 180],
} as const;

const MULTIPLE_540: readonly BoxedRung[] = [
  [2250, ...BOX['540']],
  [1500, ...BOX['540']],
  [1000, ...BOX['360']],
  [650, ...BOX['360']],
  [400, ...BOX['180']],
];

/** The presets of the original that have fixed ladders. */
const FIXED: Partial<Readonly<Record<PresetName, readonly BoxedRung[]>>> = {
  H264MultipleBitrate1080p: [
    [6000, ...BOX['1080']],
    [4700, ...BOX['1080']],
    [3400, ...BOX['720']],
    ...MULTIPLE_540,
  ],
  H264MultipleBitrate720p: [[3400, ...BOX['720']], ...MULTIPLE_540],
  H264MultipleBitrateSD: [
    [1900, ...BOX['480']],
    [1300, ...BOX['480']],
    [900, ...BOX['360']],
    [650, ...BOX['360']],
    [400, ...BOX['240']],
  ],
  H264SingleBitrate1080p: [[6750, ...BOX['1080']]],
  H264SingleBitrate720p: [[4500, ...BOX['720']]],
  H264SingleBitrateSD: [[2200, ...BOX['480']]],
  H265SingleBitrate4K: [[9500, ...BOX['2160']]],
  H265SingleBitrate1080p: [[3500, ...BOX['1080']]],
  H265SingleBitrate720p: [[1800, ...BOX['720']]],
};

/** What is seen of a source, upright and with square pixels. */
export interface SeenSource {
  readonly size: Size;
  readonly rate: Ratio;
  /** Of its pictures; undefined: not known. */
  readonly bitrateBps: number | undefined;
}

/** As the table has it; sizes never above the source's. Undefined: the preset has no table. */
export function fixedLadder(name: PresetName, source: SeenSource): readonly Rung[] | undefined {
  return FIXED[name]?.map(([kbps, width, height]) => ({
    size: boxed(source.size, { width, height }),
    bitrateBps: kbps * KILOBITS,
  }));
}

/** Fitted into a box that stands upright where the source does; not enlarged. */
function boxed(source: Size, box: Size): Size {
  const turned = source.height > source.width ? { width: box.height, height: box.width } : box;
  const isSmaller = source.width <= turned.width && source.height <= turned.height;
  return fitInto(source, isSmaller ? source : turned);
}

/**
 * Of 16:9 pictures at 29.97 frames a second: the published sample of 1080p. The other samples follow from it, see
 * `FRAME_RATE_EXPONENT` and `bitrateShare`.
 */
const ADAPTIVE: readonly BoxedRung[] = [
  [6780, ...BOX['1080']],
  [3520, ...BOX['720']],
  [2210, ...BOX['540']],
  [1150, ...BOX['360']],
  [720, ...BOX['270']],
  [380, ...BOX['180']],
];
const SAMPLE_RATE = 30_000 / 1001;
/** Makes 2940, 1850, 960, 600 and 320 kb/s of the table at 23.976 frames a second, as in the sample. */
const FRAME_RATE_EXPONENT = 0.804;
/** Published bitrates are multiples of it. */
const BITRATE_STEP_BPS = 10_000;
/** H.265 shows the same with about so much less. */
export const H265_SHARE = 0.55;
/** Below it a further quality of less helps nobody. */
const BITRATE_MIN_BPS = 100_000;
/** A source that is larger than the next size below it by more than that is offered as it is. */
const TOP_SHARE = 0.9;

/** Sizes from 1080 lines down, none above the source's, each with the bits that such a size needs. */
export function adaptiveLadder(codec: 'h264' | 'h265', source: SeenSource): readonly Rung[] {
  const share = codec === 'h265' ? H265_SHARE : 1;
  const sizes = ladderSizes(source.size);
  const wanted = sizes.map((size) => neededBps(size, source.rate) * share);
  const [top = BITRATE_MIN_BPS] = wanted;
  // The sample of 360 lines has 700 kb/s where a better source of that size gets 1150, and the others in proportion.
  const bitrateShare = Math.min(1, (source.bitrateBps ?? top) / top);
  const limit = source.bitrateBps ?? Number.MAX_SAFE_INTEGER;
  const rungs = sizes.map((size, at) => ({
    size,
    bitrateBps: Math.min(limit, stepped((wanted[at] ?? 0) * bitrateShare)),
  }));
  return rungs.filter(({ bitrateBps }, at) => at === 0 || bitrateBps >= BITRATE_MIN_BPS);
}

/** As published bitrates are. */
export const stepped = (bps: number): number =>
  Math.max(1, Math.round(bps / BITRATE_STEP_BPS)) * BITRATE_STEP_BPS;

/** The standard sizes that the source reaches, greatest first, and the source's own where it is well above them. */
export function ladderSizes(source: Size): readonly Size[] {
  const turned = source.height > source.width;
  const boxes = ADAPTIVE.map(([, width, height]) =>
    turned ? { width: height, height: width } : { width, height },
  );
  const reached = boxes.filter((box) => box.width <= source.width || box.height <= source.height);
  const sizes = reached.map((box) => fitInto(source, within(box, source)));
  const [largest] = sizes;
  const [top] = boxes;
  const isBelowTop = top === undefined || (source.width < top.width && source.height < top.height);
  const isApart = largest === undefined || largest.height < source.height * TOP_SHARE;
  return isBelowTop && isApart ? [fitInto(source, source), ...sizes] : sizes;
}

/** A box of which one side is beyond the source's shape is cut to the source. */
const within = (box: Size, source: Size): Size => ({
  width: Math.min(box.width, source.width),
  height: Math.min(box.height, source.height),
});

/** Between the sizes of the table, and beyond them, bits grow as a power of the number of pixels. */
export function neededBps({ width, height }: Size, rate: Ratio): number {
  const pixels = width * height;
  const knots = ADAPTIVE.map(([kbps, w, h]) => ({ pixels: w * h, kbps })).toReversed();
  const above = Math.max(
    1,
    knots.findIndex((knot) => knot.pixels >= pixels),
  );
  const upper = knots[pixels > 1920 * 1080 ? knots.length - 1 : above];
  const lower = knots[pixels > 1920 * 1080 ? knots.length - 2 : above - 1];
  if (upper === undefined || lower === undefined) return BITRATE_MIN_BPS;
  const slope = Math.log(upper.kbps / lower.kbps) / Math.log(upper.pixels / lower.pixels);
  const kbps = lower.kbps * (pixels / lower.pixels) ** slope;
  return kbps * KILOBITS * (framesPerSecond(rate) / SAMPLE_RATE) ** FRAME_RATE_EXPONENT;
}
