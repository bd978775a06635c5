import { z } from 'zod';
import type { Interval } from '../analysis/audio-chunks.ts';
import type { RecognitionMemory } from '../speech/transcribe.ts';
import type { EncodingTask } from './encoders.ts';
import { sharedPlace } from './job-place.ts';
import { folderOf, markOwner, planDigest } from './shared-step.ts';
import type { Workshop } from './workshop.ts';

const Heard = z.object({
  words: z.array(
    z.object({ text: z.string(), startMs: z.number(), endMs: z.number(), confidence: z.number().optional() }),
  ),
  language: z.string().optional(),
});

/**
 * What was heard of a job's sound, beside its parts: a worker that takes the job over does not listen again. `source`
 * says what was listened to, and by whom.
 */
export function createSpeechMemory(
  workshop: Workshop,
  task: EncodingTask,
  { source, signal }: { readonly source: unknown; readonly signal: AbortSignal },
): RecognitionMemory {
  const place = sharedPlace(workshop.account);
  const folder = `${folderOf(task)}/${task.outputIndex}/speech-${planDigest(source)}`;
  const nameOf = ({ startMs, endMs }: Interval) => `${folder}/${startMs}-${endMs}.json`;
  let isOwned = false;
  const orNothing = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      workshop.log.warn('worker.speechMemoryFailed', { error });
      return undefined;
    }
  };
  return {
    recall: (chunk) =>
      orNothing(async () => {
        const text = await workshop.blobs.readText(place, nameOf(chunk), signal);
        if (text === undefined) return undefined;
        workshop.log.info('worker.speechRecalled', { job: task.jobName, startMs: chunk.startMs });
        const { words, language } = Heard.parse(JSON.parse(text));
        return { words: words.map((word) => ({ ...word, confidence: word.confidence })), language };
      }),
    keep: async (chunk, heard) => {
      if (signal.aborted) return;
      await orNothing(async () => {
        if (!isOwned) await markOwner(workshop, task, signal);
        isOwned = true;
        await workshop.blobs.createText(place, nameOf(chunk), JSON.stringify(heard), signal);
      }).catch(() => undefined);
    },
  };
}
