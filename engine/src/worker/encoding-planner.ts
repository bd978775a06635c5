import { stat } from 'node:fs/promises';
import { contentAnalysis } from '../encoding/content-aware.ts';
import type { EncodingPlan } from '../encoding/encoding-plan.ts';
import type { EncoderPreset, EncodingRequest, SourceClip } from '../encoding/encoding-request.ts';
import { planEncoding } from '../encoding/plan-encoding.ts';
import { runFFmpeg } from '../ffmpeg/run-ffmpeg.ts';
import { AssetRecord } from '../resources/asset.ts';
import { overlayLabels } from '../resources/encoding/preset-rules.ts';
import { assetKey } from '../resources/row-keys.ts';
import type { BroughtClip, BroughtInputs } from './bring-inputs.ts';
import type { EncodingTask } from './encoders.ts';
import { failureOfRun, jobFailure } from './job-errors.ts';
import { type Planner, planEncoder } from './plan-encoder.ts';
import type { PresetEncoder } from './preset-encoder.ts';
import { ffmpegOf, type Workshop } from './workshop.ts';

/** What the presets of the standard encoder make. */
export const STANDARD_ENCODER: PresetEncoder = {
  types: ['#Microsoft.Media.BuiltInStandardEncoderPreset', '#Microsoft.Media.StandardEncoderPreset'],
  create: (workshop) =>
    planEncoder(workshop, async (task, inputs, run) => {
      const request = await requestOf(workshop, task, inputs);
      return planOf({ ...request, analysisBytes: await analysisBytesOf(request, run) });
    }),
};

async function requestOf(
  workshop: Workshop,
  task: EncodingTask,
  inputs: BroughtInputs,
): Promise<EncodingRequest> {
  const preset = encoderPreset(task.preset);
  const { threads, partSeconds } = workshop.settings;
  return {
    preset,
    ...arrangeClips(task.input, inputs.clips, overlayLabels(preset)),
    outputAssetId: await assetIdOf(workshop, task.outputAssetName),
    threads,
    partSeconds,
  };
}

/** Looks at the content for presets that ask for it; the same each time, so that a plan made again is the same. */
async function analysisBytesOf(
  request: EncodingRequest,
  { workshop, folder, signal }: Parameters<Planner>[2],
): Promise<number | undefined> {
  const analysis = contentAnalysis(request);
  if (analysis === undefined) return undefined;
  const { bounds } = workshop.settings;
  const end = await runFFmpeg(ffmpegOf(workshop), analysis.run, { folder, bounds, signal });
  if (end.kind === 'failed') throw failureOfRun(end);
  return (await stat(folder.resolve(analysis.path))).size;
}

function planOf(request: EncodingRequest): EncodingPlan {
  const result = planEncoding(request);
  if (result.kind === 'refused') throw jobFailure(result.code, result.message);
  return result.plan;
}

function encoderPreset(preset: EncodingTask['preset']): EncoderPreset {
  const type = preset['@odata.type'];
  if (
    type === '#Microsoft.Media.BuiltInStandardEncoderPreset' ||
    type === '#Microsoft.Media.StandardEncoderPreset'
  ) {
    return preset;
  }
  throw new RangeError(type);
}

/**
 * Clips of a sequence are put one after the other. Inputs that stand side by side show the same thing, unless an overlay
 * has the label of one.
 */
export function arrangeClips(
  input: EncodingTask['input'],
  brought: readonly BroughtClip[],
  labels: readonly string[],
): Pick<EncodingRequest, 'clips' | 'overlays'> {
  const isOverlay = ({ clip }: BroughtClip) => clip.label != null && labels.includes(clip.label);
  const overlays = brought
    .filter(isOverlay)
    .flatMap(({ clip, files: [file] }) => (file === undefined ? [] : [{ label: clip.label ?? '', file }]));
  const shown = brought.filter((clip) => !isOverlay(clip));
  const isSequence =
    input['@odata.type'] === '#Microsoft.Media.JobInputSequence' ||
    (input['@odata.type'] === '#Microsoft.Media.JobInputs' &&
      (input.inputs ?? []).some((inner) => inner['@odata.type'] === '#Microsoft.Media.JobInputSequence'));
  const [first] = shown;
  if (first === undefined) return { clips: [], overlays };
  if (isSequence) return { clips: shown.map(sourceClip), overlays };
  const together: SourceClip = {
    ...sourceClip(first),
    files: shown.flatMap(({ files }) => files),
    inputDefinitions: shown.flatMap(({ clip }) => clip.inputDefinitions ?? []),
  };
  return { clips: [together], overlays };
}

const sourceClip = ({ clip, files, startsAtMs }: BroughtClip): SourceClip => ({
  files,
  start: clip.start ?? undefined,
  end: clip.end ?? undefined,
  startsAtMs,
  inputDefinitions: clip.inputDefinitions ?? [],
});

async function assetIdOf({ store }: Workshop, name: string): Promise<string> {
  const row = await store.find(assetKey(name));
  if (row === undefined) throw jobFailure('UploadNotAccessible', `There is no asset '${name}' any more.`);
  return AssetRecord.parse(row.body).assetId;
}
