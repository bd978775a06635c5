import type { InputPart } from '../analysis/listening.ts';
import type { SourceAudio, SourceFile } from '../encoding/source.ts';
import { type PlacedClip, zeroOf } from '../encoding/timeline.ts';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';
import type { BroughtInputs } from './bring-inputs.ts';
import type { EncodingTask } from './encoders.ts';
import type { Workshop } from './workshop.ts';

/** What is known of one output while it is made. */
export interface Analysis {
  readonly workshop: Workshop;
  readonly task: EncodingTask;
  readonly folder: WorkingFolder;
  readonly clip: PlacedClip;
  readonly inputs: BroughtInputs;
  readonly signal: AbortSignal;
}

/** Files count in milliseconds at worst. */
const LATE_SECONDS_MIN = 0.002;

/** What of a file is looked at: FFmpeg seeks from the file's start, clips count from the first picture. */
export function partOf(
  { clip, workshop }: Analysis,
  file: SourceFile,
  stream: Pick<SourceAudio, 'startSeconds'>,
): InputPart {
  return {
    path: file.path,
    startSeconds: Math.max(0, clip.fromSeconds + zeroOf(file) - file.startSeconds),
    durationSeconds: clip.durationSeconds,
    beginsLate: stream.startSeconds - file.startSeconds > LATE_SECONDS_MIN,
    threads: workshop.settings.threads,
  };
}
