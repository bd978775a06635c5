import { pixelFormat, videoArguments } from './encoder-arguments.ts';
import type { DividedStep, EncodingStep, FFmpegRun, TextFile } from './encoding-plan.ts';
import { frameSeconds } from './frame-rate.ts';
import { INDEXED, pictureGraph, seconds } from './picture-graph.ts';
import { durationOf, type PictureWork } from './picture-work.ts';
import type { Ratio } from './source.ts';
import { divide, type FrameRange } from './timeline.ts';
import type { VideoLayer } from './video-layer.ts';

/** Where the pictures of a layer are when they are made: one file, or a list of them. */
export interface MadeLayer {
  readonly input: readonly string[];
  readonly texts: readonly TextFile[];
}

export interface PictureSteps {
  readonly layers: readonly MadeLayer[];
  /** With the run that reads the layers: as a step of its own, or as what joins the parts. */
  stepsWith(join: FFmpegRun): readonly EncodingStep[];
}

/** Pixels that one core encodes and decodes in a second, about. */
const ENCODED_PER_SECOND = 20_000_000;
const DECODED_PER_SECOND = 120_000_000;
/** The unit of times where pictures come as they please. */
const VARIABLE_TIME_BASE = '1:90000';

/** All layers are made of one decoding; of long sources in parts. */
export function pictureSteps(
  work: PictureWork,
  layers: readonly VideoLayer[],
  partSeconds: number | undefined,
): PictureSteps {
  const parts = partsOf(work, layers, partSeconds);
  const cost = costOf(work, layers);
  const [only] = parts;
  if (only !== undefined && parts.length === 1) {
    const run = pictureRun(work, layers, only, (at) => `v${at}.mp4`);
    return {
      layers: layers.map((_, at) => ({ input: ['-i', `v${at}.mp4`], texts: [] })),
      stepsWith: (join) => [
        { kind: 'whole', name: 'pictures', cost, run },
        { kind: 'whole', name: 'files', cost: muxCost(work), run: join },
      ],
    };
  }
  const divided: Omit<DividedStep, 'join'> = {
    kind: 'divided',
    name: 'pictures',
    cost: cost + muxCost(work),
    parts: parts.map((range, index) => ({
      index,
      run: pictureRun(work, layers, range, (at) => partPath(at, index)),
    })),
  };
  return {
    layers: layers.map((_, at) => joinedLayer(at, parts, work.rate)),
    stepsWith: (join) => [{ ...divided, join }],
  };
}

const partPath = (layer: number, part: number): string => `v${layer}-${String(part).padStart(4, '0')}.mp4`;
const muxCost = (work: PictureWork): number => durationOf(work) / 200;

function costOf(work: PictureWork, layers: readonly VideoLayer[]): number {
  const encoded = layers.reduce((sum, { fitted: { size } }) => sum + size.width * size.height, 0);
  const decoded = work.seen.width * work.seen.height;
  return work.frameCount * (encoded / ENCODED_PER_SECOND + decoded / DECODED_PER_SECOND);
}

/** The key frames of all layers have to stand at the same times for a part to begin at one of each. */
function partsOf(
  work: PictureWork,
  layers: readonly VideoLayer[],
  partSeconds: number | undefined,
): readonly FrameRange[] {
  const whole = [{ from: 0, until: work.frameCount }];
  const gops = layers.map(({ gopFrames, rate }) => ({ frames: gopFrames, rate }));
  const [first] = gops;
  if (first === undefined || work.isVariable) return whole;
  const isIndexed = work.clips.every(({ clip }) => INDEXED.test(clip.video?.file.formatName ?? 'mp4'));
  const isAligned = gops.every(({ frames, rate }) => isSameTime(frames, rate, first.frames, first.rate));
  const gopFrames = framesOf(first.frames, first.rate, work.rate);
  if (!isIndexed || !isAligned || !Number.isInteger(gopFrames)) return whole;
  return divide(work.frameCount, { rate: work.rate, gopFrames, partSeconds });
}

function isSameTime(frames: number, rate: Ratio, others: number, other: Ratio): boolean {
  return frames * rate.denominator * other.numerator === others * other.denominator * rate.numerator;
}

/** How many frames of a rate last as long as those of another. */
const framesOf = (frames: number, from: Ratio, to: Ratio): number =>
  (frames * from.denominator * to.numerator) / (from.numerator * to.denominator);

function pictureRun(
  work: PictureWork,
  layers: readonly VideoLayer[],
  range: FrameRange,
  pathOf: (layer: number) => string,
): FFmpegRun {
  const graph = pictureGraph(work, range);
  const splits = layers.map((_, at) => `[s${at}]`).join('');
  const chains = [
    ...graph.chains,
    `[pictures]split=${layers.length}${splits}`,
    ...layers.map((layer, at) => `[s${at}]${layerFilters(work, layer, range)}[v${at}]`),
  ];
  const timeBase = work.isVariable ? ['-enc_time_base', VARIABLE_TIME_BASE] : [];
  return {
    arguments: [
      '-copyts',
      ...graph.inputs.flat(),
      ...['-filter_complex_threads', String(work.threads), '-filter_complex', chains.join(';')],
      ...layers.flatMap((layer, at) => [
        ...['-map', `[v${at}]`, ...timeBase],
        ...videoArguments(layer, work.threads),
        pathOf(at),
      ]),
    ],
    writes: layers.map((_, at) => pathOf(at)),
    texts: [],
    durationSeconds: frameSeconds(range.until - range.from, work.rate),
  };
}

/** From frames of the time line to those of one layer, which begin with 0 in every part. */
function layerFilters(work: PictureWork, layer: VideoLayer, { from, until }: FrameRange): string {
  const { size, picture } = layer.fitted;
  const isPadded = size.width !== picture.width || size.height !== picture.height;
  return [
    ...layerFrames(work, layer, { from, until }),
    `scale=${picture.width}:${picture.height}:flags=bicubic`,
    ...(isPadded ? [`pad=${size.width}:${size.height}:-1:-1:color=black`] : []),
    'setsar=1',
    `format=${pixelFormat(layer)}`,
  ].join(',');
}

function layerFrames(work: PictureWork, { rate }: VideoLayer, { from, until }: FrameRange): string[] {
  if (work.isVariable) return [];
  const { numerator, denominator } = rate;
  const isSame = numerator * work.rate.denominator === work.rate.numerator * denominator;
  if (isSame) return [`setpts=PTS-${from}`, `trim=end_frame=${until - from}`];
  const first = Math.round(framesOf(from, work.rate, rate));
  const last = Math.max(first + 1, Math.round(framesOf(until, work.rate, rate)));
  return [
    `fps=fps=${numerator}/${denominator}:start_time=${frameSeconds(from, work.rate)}:round=near`,
    'tpad=stop_mode=clone:stop=-1',
    `trim=end_frame=${last - first}`,
    'setpts=PTS-STARTPTS',
  ];
}

const MICROSECONDS = 1_000_000;

/**
 * The durations say where each part begins, to the microsecond in which the joining counts: they are differences of
 * rounded times, so that no error adds up.
 */
function joinedLayer(layer: number, parts: readonly FrameRange[], rate: Ratio): MadeLayer {
  const microseconds = (frame: number) => Math.round(frameSeconds(frame, rate) * MICROSECONDS);
  const lines = parts.flatMap(({ from, until }, part) => [
    `file ${partPath(layer, part)}`,
    `duration ${seconds((microseconds(until) - microseconds(from)) / MICROSECONDS)}`,
  ]);
  const path = `v${layer}.txt`;
  return {
    // Without conversion the samples stay as the encoder wrote them.
    input: ['-f', 'concat', '-auto_convert', '0', '-i', path],
    texts: [{ path, text: `${['ffconcat version 1.0', ...lines].join('\n')}\n` }],
  };
}
