import { containerFiles, type WrittenContainer } from './container-files.ts';
import type { EncodingPlan, EncodingStep, FFmpegRun, OutputFile } from './encoding-plan.ts';
import { checkDistinct } from './file-names.ts';
import { frameSeconds, framesPerSecond } from './frame-rate.ts';
import { filesRun, type MediaFile, writtenFile } from './media-files.ts';
import { pictureSteps } from './picture-steps.ts';
import type { PictureWork } from './picture-work.ts';
import { heardClips, soundStep } from './sound-graph.ts';
import type { SoundTrack } from './sound-track.ts';
import type { Ratio } from './source.ts';
import { framesOfClips, type Survey } from './survey.ts';
import type { VideoLayer } from './video-layer.ts';

/** What a preset makes of a source, before it is put into steps. */
export interface Draft {
  readonly basename: string;
  readonly layers: readonly VideoLayer[];
  readonly sounds: readonly SoundTrack[];
  readonly files: readonly MediaFile[];
  readonly isVariable: boolean;
  /** Made of the pictures on the time line. */
  readonly images: (work: PictureWork) => readonly MadeImages[];
}

export interface MadeImages {
  readonly steps: readonly EncodingStep[];
  readonly files: readonly OutputFile[];
}

/** Of what has no pictures: what times are rounded to. */
const RATE_OF_SOUND: Ratio = { numerator: 1000, denominator: 1 };

/** Sound, pictures, images, and at last the files of the container. Throws `Unplannable` for names that clash. */
export function assemblePlan(survey: Survey, draft: Draft): EncodingPlan {
  const { layers, sounds, files } = draft;
  const rate = timelineRate(survey, layers);
  const frames = framesOfClips(survey.clips, rate);
  const work = pictureWork(survey, { frames, rate, isVariable: draft.isVariable });
  const durationSeconds = durationOf(survey, work);
  const heard = heardClips(survey.clips, frames, rate);
  const soundWork = { ...survey, ...survey.request, clips: heard, durationSeconds, rate };
  const pictured = layers.length === 0 ? undefined : pictureSteps(work, layers, survey.request.partSeconds);
  const made = { layers, madeLayers: pictured?.layers ?? [], sounds };
  const images = draft.images(work);
  const join = filesRun(files, made, durationSeconds);
  const outputs = containerFiles({
    basename: draft.basename,
    sourceName: survey.sourceName,
    assetId: survey.request.outputAssetId,
    durationSeconds,
    files: files.map((file, at) => writtenFile(file, at, made)),
    images: images.flatMap((one) => one.files),
    gop: gopOf(draft),
  });
  checkDistinct(outputs.map(({ name }) => name));
  return {
    durationSeconds,
    steps: [
      ...(sounds.length === 0 ? [] : [soundStep(soundWork, sounds)]),
      ...images.flatMap(({ steps }) => steps),
      ...finalSteps(pictured, join, durationSeconds),
    ],
    files: outputs,
  };
}

/** Sound alone is cut as if there were pictures with key frames every two seconds. */
const GOP_OF_SOUND = { frames: 2, rate: { numerator: 1, denominator: 1 } };

function gopOf({ layers, files, isVariable }: Draft): WrittenContainer['gop'] {
  if (isVariable || files.some(({ copies }) => copies.length > 0)) return undefined;
  const [first] = layers;
  return first === undefined ? GOP_OF_SOUND : { frames: first.gopFrames, rate: first.rate };
}

function finalSteps(
  pictured: ReturnType<typeof pictureSteps> | undefined,
  join: FFmpegRun,
  durationSeconds: number,
): readonly EncodingStep[] {
  if (join.writes.length === 0) return [];
  if (pictured !== undefined) return pictured.stepsWith(join);
  return [{ kind: 'whole', name: 'files', cost: durationSeconds / 100, run: join }];
}

/** The highest of the layers: the others are made of it. */
function timelineRate({ pictures }: Survey, layers: readonly VideoLayer[]): Ratio {
  const [first] = layers.map(({ rate }) => rate).toSorted((a, b) => framesPerSecond(b) - framesPerSecond(a));
  return first ?? pictures?.rate ?? RATE_OF_SOUND;
}

function pictureWork(
  { clips, filters, pictures, request }: Survey,
  { frames, rate, isVariable }: { frames: readonly number[]; rate: Ratio; isVariable: boolean },
): PictureWork {
  let before = 0;
  const pictured = clips.map((clip, at) => {
    const fromFrame = before;
    const frameCount = frames[at] ?? 0;
    before += frameCount;
    return { clip, fromFrame, frameCount };
  });
  return {
    clips: pictured,
    filters,
    overlays: request.overlays,
    seen: pictures?.size ?? { width: 16, height: 16 },
    rate,
    frameCount: before,
    isVariable: isVariable && clips.length === 1,
    threads: request.threads,
  };
}

/** A single clip lasts as long as what is longest in it; a sequence is made of whole frames. */
function durationOf({ clips }: Survey, { frameCount, rate }: PictureWork): number {
  const [only] = clips;
  const pictureSeconds = frameSeconds(frameCount, rate);
  return clips.length === 1 && only !== undefined
    ? Math.max(pictureSeconds, only.durationSeconds)
    : pictureSeconds;
}
