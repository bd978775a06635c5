import type { EncodingPlan } from '../encoding/encoding-plan.ts';
import { WorkingFolder } from '../ffmpeg/working-folder.ts';
import { type BroughtInputs, bringInputs } from './bring-inputs.ts';
import { carryOutPlan } from './carry-out-plan.ts';
import { commitOutputs } from './commit-outputs.ts';
import type { StepRun } from './divided-step.ts';
import type { Encoder, EncodingTask } from './encoders.ts';
import { ffmpegOf, type Workshop } from './workshop.ts';

/** What is to be done for an output, once its input is there. Throws `JobFailure`. */
export type Planner = (
  task: EncodingTask,
  inputs: BroughtInputs,
  /** To look closer at the input; its progress counts for nothing. */
  run: Omit<StepRun, 'onProgress' | 'onPartMade'>,
) => Promise<EncodingPlan>;

/** How the time of an output is shared out, in percent. */
const BROUGHT_PERCENT = 10;
const MADE_PERCENT = 92;

/** Brings the input, makes a plan, carries it out and commits the output. */
export function planEncoder(workshop: Workshop, planner: Planner): Encoder {
  return {
    async encode(task, control) {
      ffmpegOf(workshop);
      const { signal, progress } = control;
      const folder = await WorkingFolder.create(workshop.settings.scratchPath);
      try {
        const onBrought = (share: number) => progress(share * BROUGHT_PERCENT);
        const inputs = await bringInputs(workshop, task, { folder, signal, onProgress: onBrought });
        const present = inputs.clips.flatMap(({ files }) => files.map(({ path }) => path));
        const run = { workshop, task, folder, signal, pinned: inputs.pinned, present };
        const plan = await planner(task, inputs, run);
        await carryOutPlan(plan, {
          ...run,
          onProgress: (share) => progress(BROUGHT_PERCENT + share * (MADE_PERCENT - BROUGHT_PERCENT)),
          onPartMade: () => control.advance(),
        });
        await commitOutputs(workshop, task, {
          ...{ files: plan.files, folder, control },
          onProgress: (share) => progress(MADE_PERCENT + share * (100 - MADE_PERCENT)),
        });
        return undefined;
      } finally {
        await folder.close();
      }
    },
  };
}
