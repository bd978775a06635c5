import type { z } from 'zod';
import type * as contract from '../contract/encoding.ts';
import type { MadeImages } from './assemble-plan.ts';
import { REPEATABLE } from './encoder-arguments.ts';
import type { EncodingStep, FFmpegRun, OutputFile } from './encoding-plan.ts';
import type { StandardPreset } from './encoding-request.ts';
import { fileName } from './file-names.ts';
import { frameSeconds, framesPerSecond } from './frame-rate.ts';
import { mediaSeconds } from './media-seconds.ts';
import { pictureGraph } from './picture-graph.ts';
import { type FittedSize, stretched } from './picture-size.ts';
import { durationOf, type PictureWork } from './picture-work.ts';
import { writeSpriteTrack } from './sprite-track.ts';
import { picturesOf, type Survey } from './survey.ts';
import { notConfigurable } from './unplannable.ts';

type Image = z.output<typeof contract.JpgImage> | z.output<typeof contract.PngImage>;
type AnyImage = Extract<StandardPreset['codecs'][number], { readonly start: string }>;
type Layer = Partial<z.output<typeof contract.JpgLayer>>;

const IMAGES_MAX = 10_000;
/** Of the beginning, in which `{Best}` looks. */
const BEST_WITHIN_SECONDS = 5;
/** Images that are farther apart are sought, each by itself. */
const SOUGHT_APART_SECONDS = 20;
const SOUGHT_MAX = 100;
const QUALITY_DEFAULT = 70;
/** Of a JPEG, by its 16 bits of length. */
const SPRITE_SIDE_PX_MAX = 65_535;
/** Beyond it FFmpeg allocates no picture. */
const SPRITE_PX_MAX = 200_000_000;
const COST_PER_IMAGE = 0.2;
const DECODED_SECONDS_PER_SECOND = 10;

interface ImageContext {
  readonly formats: StandardPreset['formats'];
  readonly work: PictureWork;
  readonly survey: Survey;
  readonly basename: string;
  /** Among the image codecs. */
  readonly at: number;
}

interface Frames {
  readonly first: number;
  readonly step: number;
  readonly count: number;
  /** The best of so many frames from the first on. */
  readonly bestOf: number | undefined;
}

/** Thumbnails or a sprite of a time line. Throws `Unplannable`. */
export function imageSteps(codec: AnyImage, context: ImageContext): readonly MadeImages[] {
  if (codec['@odata.type'] === '#Microsoft.Media.Image') return [];
  const frames = framesOf(codec, context.work);
  const isJpg = codec['@odata.type'] === '#Microsoft.Media.JpgImage';
  const formatType = isJpg ? '#Microsoft.Media.JpgFormat' : '#Microsoft.Media.PngFormat';
  const pattern = context.formats.find((format) => format['@odata.type'] === formatType)?.filenamePattern;
  if (pattern === undefined)
    throw notConfigurable(`There is no format for the ${isJpg ? 'JPG' : 'PNG'} images.`);
  const layers: readonly Layer[] = codec.layers?.length ? codec.layers : [{}];
  const pictures = picturesOf(context.survey);
  const made = layers.map((layer, at) => ({
    ...context,
    frames,
    pattern,
    layer,
    isJpg,
    label: layer.label ?? codec.label ?? undefined,
    columns: isJpg ? (codec.spriteColumn ?? undefined) : undefined,
    path: `i${context.at}-${at}`,
    fitted: stretched(
      pictures.size,
      { width: layer.width, height: layer.height },
      codec.stretchMode ?? 'AutoSize',
    ),
  }));
  return made.map((one) => (one.columns === undefined ? thumbnails(one) : sprite(one, one.columns)));
}

/** Where images are taken: the first at the start, the others a step apart, as long as they are in the range. */
function framesOf(image: Image, work: PictureWork): Frames {
  const whole = { seconds: durationOf(work), rate: work.rate };
  const fps = framesPerSecond(work.rate);
  if (image.start.toLowerCase() === '{best}') {
    const bestOf = Math.max(1, Math.min(work.frameCount, Math.round(BEST_WITHIN_SECONDS * fps)));
    return { first: 0, step: 1, count: 1, bestOf };
  }
  const frameAt = (text: string) => Math.round(mediaSeconds(text, whole) * fps);
  const first = Math.min(frameAt(image.start), work.frameCount - 1);
  const step = Math.max(1, frameAt(image.step ?? '10%'));
  const until = Math.min(work.frameCount, first + Math.max(1, frameAt(image.range ?? '100%')));
  const count = Math.ceil((until - first) / step);
  if (count > IMAGES_MAX) {
    throw notConfigurable(
      `The preset asks for ${count} images of this source, at most ${IMAGES_MAX} are made.`,
    );
  }
  return { first, step, count, bestOf: undefined };
}

interface MadeLayer extends ImageContext {
  readonly frames: Frames;
  readonly pattern: string;
  readonly layer: Layer;
  readonly isJpg: boolean;
  /** Its own, or its codec's. */
  readonly label: string | undefined;
  /** What its files in the working folder begin with. */
  readonly path: string;
  readonly fitted: FittedSize;
}

const extensionOf = ({ isJpg }: MadeLayer): string => (isJpg ? '.jpg' : '.png');

function nameOf(made: MadeLayer, index: number, extension = extensionOf(made)): string {
  const { basename, fitted, label, pattern } = made;
  return fileName(pattern, {
    basename,
    extension,
    index,
    label,
    size: fitted.size,
  });
}

const numbered = ({ path }: MadeLayer, number: number): string =>
  `${path}-${String(number).padStart(6, '0')}`;

function thumbnails(made: MadeLayer): MadeImages {
  const { count, step } = made.frames;
  const isSought =
    count > 1 && count <= SOUGHT_MAX && frameSeconds(step, made.work.rate) >= SOUGHT_APART_SECONDS;
  const numbers = Array.from({ length: count }, (_, at) => at + 1);
  const ranges = isSought
    ? numbers.map(
        (number): Frames => ({ ...made.frames, first: made.frames.first + (number - 1) * step, count: 1 }),
      )
    : [made.frames];
  const steps = ranges.map((frames, at) =>
    imageStep({ ...made, frames }, { filters: [], firstNumber: at + 1 }),
  );
  const files = numbers.map(
    (number): OutputFile => ({
      kind: 'made',
      name: nameOf(made, number),
      path: `${numbered(made, number)}${extensionOf(made)}`,
      contentType: made.isJpg ? 'image/jpeg' : 'image/png',
    }),
  );
  return { steps, files };
}

/** All images in one, and a list of where each is in it. */
function sprite(made: MadeLayer, columns: number): MadeImages {
  const { count } = made.frames;
  const { size } = made.fitted;
  const grid = { columns: Math.min(columns, count), rows: Math.ceil(count / columns) };
  const whole = { width: grid.columns * size.width, height: grid.rows * size.height };
  const isTooLarge = Math.max(whole.width, whole.height) > SPRITE_SIDE_PX_MAX;
  if (isTooLarge || whole.width * whole.height > SPRITE_PX_MAX) {
    const found = `A sprite of ${count} images would have ${whole.width}x${whole.height} pixels`;
    throw notConfigurable(
      `${found}: at most ${SPRITE_SIDE_PX_MAX} each way and ${SPRITE_PX_MAX} in all are made.`,
    );
  }
  const tile = `tile=layout=${grid.columns}x${grid.rows}:nb_frames=${count}`;
  const step = imageStep(made, { filters: [tile], firstNumber: 1 });
  const image = nameOf(made, 1);
  const text = writeSpriteTrack({ image, size, columns: grid.columns, times: timesOf(made) });
  const name = image.replace(/\.jpg$/, '.vtt');
  return {
    steps: [step],
    files: [
      { kind: 'made', name: image, path: `${numbered(made, 1)}.jpg`, contentType: 'image/jpeg' },
      { kind: 'text', name: name === image ? `${image}.vtt` : name, text, contentType: 'text/vtt' },
    ],
  };
}

/** When each image is shown, and at last when the last one ends. */
function timesOf({ frames: { first, step, count }, work }: MadeLayer): readonly number[] {
  const cuts = Array.from({ length: count + 1 }, (_, at) => Math.min(work.frameCount, first + at * step));
  return cuts.map((frame) => frameSeconds(frame, work.rate));
}

function imageStep(made: MadeLayer, how: { filters: readonly string[]; firstNumber: number }): EncodingStep {
  const run = imageRun(made, how);
  const cost = made.frames.count * COST_PER_IMAGE + run.durationSeconds / DECODED_SECONDS_PER_SECOND;
  return { kind: 'whole', name: 'images', cost, run };
}

function imageRun(
  made: MadeLayer,
  { filters, firstNumber }: { filters: readonly string[]; firstNumber: number },
): FFmpegRun {
  const { frames, work } = made;
  const { first, step, count, bestOf } = frames;
  const range = { from: first, until: bestOf ?? first + (count - 1) * step + 1 };
  const graph = pictureGraph(work, range);
  const chosen = bestOf === undefined ? `select='not(mod(n,${step}))'` : `thumbnail=n=${bestOf}`;
  const chain = [chosen, ...scaling(made), ...filters].join(',');
  const images = filters.length === 0 ? count : 1;
  const extension = extensionOf(made);
  return {
    arguments: [
      '-copyts',
      ...graph.inputs.flat(),
      ...['-filter_complex_threads', String(work.threads)],
      ...['-filter_complex', [...graph.chains, `[pictures]${chain}[image]`].join(';')],
      ...['-map', '[image]', ...REPEATABLE, '-flags:v', '+bitexact', '-fps_mode', 'passthrough'],
      ...['-frames:v', String(images), ...qualityArguments(made)],
      ...['-f', 'image2', '-start_number', String(firstNumber), `${made.path}-%06d${extension}`],
    ],
    writes: Array.from({ length: images }, (_, at) => `${numbered(made, firstNumber + at)}${extension}`),
    texts: [],
    durationSeconds: frameSeconds(range.until - range.from, work.rate),
  };
}

function scaling({ fitted: { size, picture }, isJpg }: MadeLayer): string[] {
  const isPadded = size.width !== picture.width || size.height !== picture.height;
  // JPEG has the full range of values (JFIF 1.02).
  const scale = `scale=${picture.width}:${picture.height}:flags=bicubic${isJpg ? ':out_range=full' : ''}`;
  return [
    scale,
    ...(isPadded ? [`pad=${size.width}:${size.height}:-1:-1:color=black`] : []),
    'setsar=1',
    `format=${isJpg ? 'yuvj420p' : 'rgb24'}`,
  ];
}

/**
 * Quality as of the Independent JPEG Group, in which 50 are the tables of ISO/IEC 10918-1 annex K as they are; those are
 * FFmpeg's scale 8.
 */
function qualityArguments({ isJpg, layer }: MadeLayer): string[] {
  if (!isJpg) return ['-c:v', 'png', '-pred', 'mixed'];
  const quality = Math.max(1, layer.quality ?? QUALITY_DEFAULT);
  const tables = quality < 50 ? 50 / quality : 2 - quality / 50;
  const scale = Math.min(31, Math.max(1, Math.round(8 * tables)));
  return ['-c:v', 'mjpeg', '-qmin', '1', '-q:v', String(scale)];
}
