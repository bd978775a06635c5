import type { EncodingPlan, EncodingStep, FFmpegRun } from '../encoding/encoding-plan.ts';
import { runFFmpeg } from '../ffmpeg/run-ffmpeg.ts';
import { makeParts, type StepRun } from './divided-step.ts';
import { failureOfRun } from './job-errors.ts';
import { ffmpegOf } from './workshop.ts';

/** Parts weigh more than their join, which copies. */
const PARTS_SHARE = 0.95;

/** All steps of a plan, one after the other; then the files that it names are in the working folder. Throws `JobFailure`. */
export async function carryOutPlan(plan: Pick<EncodingPlan, 'steps'>, run: StepRun): Promise<void> {
  const total = plan.steps.reduce((sum, { cost }) => sum + cost, 0);
  const present = [...run.present];
  let before = 0;
  for (const step of plan.steps) {
    const share = total === 0 ? 0 : step.cost / total;
    const begin = before;
    const onProgress = (part: number) => run.onProgress(begin + part * share);
    await carryOutStep(step, { ...run, present, onProgress });
    before += share;
    present.push(...writesOf(step));
    onProgress(1);
  }
}

async function carryOutStep(step: EncodingStep, run: StepRun): Promise<void> {
  if (step.kind === 'whole') return whole(step.run, run, run.onProgress);
  await makeParts(step, { ...run, onProgress: (share) => run.onProgress(share * PARTS_SHARE) });
  await whole(step.join, run, (share) => run.onProgress(PARTS_SHARE + share * (1 - PARTS_SHARE)));
}

async function whole(
  ffmpegRun: FFmpegRun,
  { workshop, folder, signal }: StepRun,
  onProgress: (share: number) => void,
): Promise<void> {
  const { bounds } = workshop.settings;
  const end = await runFFmpeg(ffmpegOf(workshop), ffmpegRun, { folder, bounds, signal, onProgress });
  if (end.kind === 'failed') throw failureOfRun(end);
}

const writesOf = (step: EncodingStep): readonly string[] =>
  step.kind === 'whole'
    ? step.run.writes
    : [...step.parts.flatMap(({ run }) => run.writes), ...step.join.writes];
