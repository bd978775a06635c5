import type { EncodingPlan, EncodingStep, FFmpegRun } from '../encoding/encoding-plan.ts';
import { runFFmpeg } from '../ffmpeg/run-ffmpeg.ts';
import { makeParts, type StepRun } from './divided-step.ts';
import { failureOfRun } from './job-errors.ts';
import { ffmpegOf } from './workshop.ts';

/** Parts weigh more than their join, which copies. */
const PARTS_SHARE = 0.95;

/**
 * All steps of a plan; then the files that it names are in the working folder. A step that the next one does not need
 * at once is carried out beside it, such as sound beside pictures: two runs of FFmpeg at most. Throws `JobFailure`.
 */
export async function carryOutPlan(plan: Pick<EncodingPlan, 'steps'>, run: StepRun): Promise<void> {
  const over = new AbortController();
  const signal = AbortSignal.any([run.signal, over.signal]);
  const progress = progressOf(plan.steps, run.onProgress);
  const present = [...run.present];
  let beside: Beside | undefined;
  const ready = async (needed: FFmpegRun) => {
    if (beside !== undefined && mentions(needed, beside.writes)) await beside.made;
  };
  try {
    for (const [at, step] of plan.steps.entries()) {
      const stepRun = { ...run, signal, present: [...present], onProgress: progress(at) };
      const next = plan.steps[at + 1];
      if (next !== undefined && !firstRunsOf(next).some((needed) => mentions(needed, writesOf(step)))) {
        await beside?.made;
        const made = carryOutStep(step, stepRun, async () => undefined);
        made.catch((error: unknown) => over.abort(error));
        beside = { writes: writesOf(step), made };
      } else {
        await carryOutStep(step, stepRun, ready);
      }
      present.push(...writesOf(step));
    }
    await beside?.made;
  } catch (error) {
    over.abort(error);
    await beside?.made.catch(() => undefined);
    throw error;
  }
}

interface Beside {
  readonly writes: readonly string[];
  readonly made: Promise<void>;
}

async function carryOutStep(
  step: EncodingStep,
  run: StepRun,
  ready: (needed: FFmpegRun) => Promise<void>,
): Promise<void> {
  if (step.kind === 'whole') {
    await ready(step.run);
    return whole(step.run, run, run.onProgress);
  }
  for (const part of step.parts) await ready(part.run);
  await makeParts(step, { ...run, onProgress: (share) => run.onProgress(share * PARTS_SHARE) });
  await ready(step.join);
  await whole(step.join, run, (share) => run.onProgress(PARTS_SHARE + share * (1 - PARTS_SHARE)));
}

/** Of all steps together, from the share of each. */
function progressOf(steps: readonly EncodingStep[], tell: (share: number) => void) {
  const total = steps.reduce((sum, { cost }) => sum + cost, 0);
  const made = steps.map(() => 0);
  return (at: number) => (share: number) => {
    made[at] = share;
    const sum = steps.reduce((all, { cost }, index) => all + cost * (made[index] ?? 0), 0);
    tell(total === 0 ? 1 : sum / total);
  };
}

/** What a step begins with. */
const firstRunsOf = (step: EncodingStep): readonly FFmpegRun[] =>
  step.kind === 'whole' ? [step.run] : step.parts.map(({ run }) => run);

const mentions = ({ arguments: args, texts }: FFmpegRun, paths: readonly string[]): boolean =>
  [...args, ...texts.map(({ text }) => text)].some((text) => paths.some((path) => text.includes(path)));

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
