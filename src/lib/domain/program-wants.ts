import type { Program } from './program.ts';

/** Whether the program's live output should exist, given the time. */
export function wantsRecording(program: Program, nowMs: number): boolean {
  if (program.deleted !== false || program.recordingWanted === 'finished' || program.finishedAtMs !== null)
    return false;
  if (program.recordingWanted === 'started') return true;
  const { start } = program.settings;
  if (start === 'now') return true;
  return start !== 'manual' && Date.parse(start) <= nowMs;
}

/** Whether viewers should be able to play it; `hasFrames` says whether its recording has any. */
export function wantsPublished(
  program: Program,
  { hasFrames, nowMs }: { hasFrames: boolean; nowMs: number },
): boolean {
  if (program.deleted !== false || program.publishingWanted === 'unpublished') return false;
  const { when, until } = program.settings.publish;
  if (until !== null && Date.parse(until) <= nowMs) return false;
  if (program.publishingWanted === 'published') return true;
  if (when === 'firstFrame') return hasFrames;
  return when !== 'manual' && Date.parse(when) <= nowMs;
}

/** Whether it will be published without anybody asking for it: with its first frame, or when its time has come. */
export function awaitsPublishing(program: Program, nowMs: number): boolean {
  const { when } = program.settings.publish;
  const hasMoment = when !== 'firstFrame' && when !== 'manual';
  const atMs = hasMoment ? Math.max(nowMs, Date.parse(when)) : nowMs;
  return wantsPublished(program, { hasFrames: true, nowMs: atMs });
}

/** The moments at which a clock, and nothing else, changes what is wanted. */
export function scheduledMoments(program: Program): readonly number[] {
  if (program.deleted !== false) return [];
  const { start, publish } = program.settings;
  const waitsToStart = program.recordingWanted === 'auto' && program.finishedAtMs === null;
  return [
    ...(waitsToStart ? [Date.parse(start)] : []),
    ...(program.publishingWanted === 'auto' ? [Date.parse(publish.when)] : []),
    ...(publish.until === null ? [] : [Date.parse(publish.until)]),
  ].filter((moment) => !Number.isNaN(moment));
}
