import { REPEATABLE } from './encoder-arguments.ts';
import type { FFmpegRun } from './encoding-plan.ts';
import type { BuiltInPreset, EncodingRequest } from './encoding-request.ts';
import { frameSeconds, framesPerSecond } from './frame-rate.ts';
import { adaptiveLadder, H265_SHARE, neededBps, type Rung, type SeenSource, stepped } from './ladders.ts';
import { pictureGraph } from './picture-graph.ts';
import { fitInto, type Size } from './picture-size.ts';
import type { PicturedClip, PictureWork } from './picture-work.ts';
import { framesOfClips, NO_FILTERS, type Survey, survey } from './survey.ts';
import type { PlacedClip } from './timeline.ts';
import { Unplannable } from './unplannable.ts';

type Configurations = BuiltInPreset['configurations'];

/** A quick encode of some of the source, whose size tells how much there is to see. */
export interface ContentAnalysis {
  readonly run: FFmpegRun;
  /** What it writes: its size is `analysisBytes` of the request. */
  readonly path: string;
}

const PATH = 'analysis.mp4';
const SAMPLES_MAX = 8;
const SAMPLE_SECONDS = 2;
/** What samples are scaled to. */
const ANALYSED: Size = { width: 640, height: 360 };
/** x264's own: good to look at, and not more. */
const CRF = 23;
/** Whatever is measured, bitrates stay within these shares of the ladder for material that nobody has looked at. */
const SHARE_MIN = 0.15;
const SHARE_MAX = 1.25;
/**
 * Of the share that was measured: material of a tenth of the bits, encoded with just that tenth, loses more of its SSIM
 * than what is harder to encode.
 */
const SHARE_EXPONENT = 0.8;
/** Qualities that differ less are one. */
const STEP_RATIO_MIN = 1.25;
const LAYERS_MAX = 6;
const BITRATE_MIN_BPS = 100_000;

/** What is run before the plan for a preset that looks at the content; undefined for others and for sound alone. */
export function contentAnalysis(request: EncodingRequest): ContentAnalysis | undefined {
  const { preset } = request;
  const isContentAware = 'presetName' in preset && preset.presetName.includes('ContentAware');
  const surveyed = isContentAware ? orNothing(() => survey(request, NO_FILTERS)) : undefined;
  if (surveyed?.pictures === undefined) return undefined;
  return { run: analysisRun(surveyed, surveyed.pictures), path: PATH };
}

/** What cannot be planned is refused by the plan. */
function orNothing<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof Unplannable) return undefined;
    throw error;
  }
}

function analysisRun(surveyed: Survey, pictures: NonNullable<Survey['pictures']>): FFmpegRun {
  const { clips } = samplesOf(surveyed, pictures);
  const frameCount = clips.reduce((sum, clip) => sum + clip.frameCount, 0);
  const size = fitInto(pictures.size, smaller(pictures.size));
  const work: PictureWork = {
    clips,
    filters: NO_FILTERS,
    overlays: [],
    seen: size,
    rate: pictures.rate,
    frameCount,
    isVariable: false,
    threads: surveyed.request.threads,
  };
  const graph = pictureGraph(work, { from: 0, until: frameCount });
  const scaling = `[pictures]scale=${size.width}:${size.height}:flags=bicubic,setsar=1,format=yuv420p[v]`;
  const gop = Math.round(SAMPLE_SECONDS * framesPerSecond(pictures.rate));
  return {
    arguments: [
      '-copyts',
      ...graph.inputs.flat(),
      ...['-filter_complex', [...graph.chains, scaling].join(';'), '-map', '[v]', ...REPEATABLE],
      // One thread whoever runs it: the number that comes out is part of the plan.
      ...['-fps_mode', 'passthrough', '-flags:v', '+bitexact', '-threads', '1', '-c:v', 'libx264'],
      ...['-preset', 'superfast', '-crf', String(CRF), '-g', String(gop), '-sc_threshold', '0', PATH],
    ],
    writes: [PATH],
    texts: [],
    durationSeconds: frameSeconds(frameCount, pictures.rate),
  };
}

/** Not enlarged. */
const smaller = ({ width, height }: Size): Size =>
  width * height > ANALYSED.width * ANALYSED.height && width >= height
    ? ANALYSED
    : { width: Math.min(width, ANALYSED.height), height: Math.min(height, ANALYSED.width) };

/** Pieces of the source, spread evenly over it; all of it where it is short. */
function samplesOf({ clips }: Survey, { rate }: SeenSource): { readonly clips: readonly PicturedClip[] } {
  const frames = framesOfClips(clips, rate);
  const sampleFrames = Math.max(1, Math.round(SAMPLE_SECONDS * framesPerSecond(rate)));
  const total = frames.reduce((sum, count) => sum + count, 0);
  const wanted = Math.min(SAMPLES_MAX, Math.max(1, Math.floor(total / sampleFrames)));
  const spread = Array.from({ length: wanted }, (_, at) =>
    Math.floor(((at + 0.5) * total) / wanted - sampleFrames / 2),
  );
  let before = 0;
  const samples = spread.flatMap((frame): PicturedClip[] => {
    const found = findFrame(clips, frames, Math.max(0, frame));
    if (found === undefined) return [];
    const frameCount = Math.min(sampleFrames, found.left);
    const fromFrame = before;
    before += frameCount;
    const fromSeconds = found.clip.fromSeconds + frameSeconds(found.frame, rate);
    return [{ clip: { ...found.clip, fromSeconds }, fromFrame, frameCount }];
  });
  return { clips: samples };
}

function findFrame(clips: readonly PlacedClip[], frames: readonly number[], wanted: number) {
  let frame = wanted;
  for (const [at, clip] of clips.entries()) {
    const count = frames[at] ?? 0;
    if (frame < count && clip.video !== undefined) return { clip, frame, left: count - frame };
    frame -= count;
  }
  return undefined;
}

interface ContentAware {
  readonly codec: 'h264' | 'h265';
  readonly analysisBytes: number | undefined;
  readonly configurations: Configurations;
}

/**
 * The ladder with the bits that the content needs: those of the table where it is as hard to encode as the table takes
 * for granted, less where there is less to see. Configurations narrow it.
 */
export function contentAwareRungs(
  surveyed: Survey,
  pictures: NonNullable<Survey['pictures']>,
  { codec, analysisBytes, configurations }: ContentAware,
): readonly Rung[] {
  const share = analysisBytes === undefined ? 1 : measuredShare(surveyed, pictures, analysisBytes);
  const codecShare = codec === 'h265' ? H265_SHARE : 1;
  const ceiling = Math.min(
    pictures.bitrateBps ?? Number.MAX_SAFE_INTEGER,
    configurations?.maxBitrateBps ?? Number.MAX_SAFE_INTEGER,
  );
  const floor = Math.min(ceiling, configurations?.minBitrateBps ?? BITRATE_MIN_BPS);
  const sizes = adaptiveLadder(codec, { ...pictures, bitrateBps: undefined }).map(({ size }) => size);
  // More than the table gives is for the top alone: below it, the next size makes more of the same bits.
  const shareAt = (at: number) => (at === 0 ? share : Math.min(1, share));
  const rungs = allowedHeights(sizes, configurations).map((size, at) => ({
    size,
    bitrateBps: within(neededBps(size, pictures.rate) * codecShare * shareAt(at), floor, ceiling),
  }));
  return spread(apart(rungs), configurations?.maxLayers ?? LAYERS_MAX);
}

/** How much more or less the samples took than the table gives to pictures of their size. */
function measuredShare(surveyed: Survey, pictures: SeenSource, bytes: number): number {
  const { clips } = samplesOf(surveyed, pictures);
  const frameCount = clips.reduce((sum, clip) => sum + clip.frameCount, 0);
  const measuredBps =
    (bytes * 8) / Math.max(SAMPLE_SECONDS / SAMPLES_MAX, frameSeconds(frameCount, pictures.rate));
  const size = fitInto(pictures.size, smaller(pictures.size));
  const share = (measuredBps / neededBps(size, pictures.rate)) ** SHARE_EXPONENT;
  return Math.min(SHARE_MAX, Math.max(SHARE_MIN, share));
}

/** Kept at least: the one nearest to what is allowed. */
function allowedHeights(sizes: readonly Size[], configurations: Configurations): readonly Size[] {
  const { minHeight, maxHeight } = configurations ?? {};
  const low = sizes.filter(({ height }) => height <= (maxHeight ?? height));
  const capped =
    low.length > 0
      ? low
      : sizes.slice(-1).map((size) => fitInto(size, { width: size.width, height: maxHeight ?? size.height }));
  const high = capped.filter(({ height }) => height >= (minHeight ?? 0));
  return high.length > 0 ? high : capped.slice(0, 1);
}

function within(bps: number, floor: number, ceiling: number): number {
  const limited = Math.min(ceiling, Math.max(floor, bps));
  return limited === bps ? Math.min(ceiling, Math.max(floor, stepped(bps))) : Math.round(limited);
}

/** From the top, those that are well below the one before. */
function apart(rungs: readonly Rung[]): readonly Rung[] {
  const kept: Rung[] = [];
  for (const rung of rungs) {
    const last = kept.at(-1);
    if (last === undefined || last.bitrateBps >= rung.bitrateBps * STEP_RATIO_MIN) kept.push(rung);
  }
  return kept;
}

/** The top and the bottom stay; what is between them is thinned out evenly. */
function spread(rungs: readonly Rung[], count: number): readonly Rung[] {
  if (rungs.length <= count) return rungs;
  if (count === 1) return rungs.slice(0, 1);
  const chosen = Array.from({ length: count }, (_, at) =>
    Math.round((at * (rungs.length - 1)) / (count - 1)),
  );
  return rungs.filter((_, at) => chosen.includes(at));
}
