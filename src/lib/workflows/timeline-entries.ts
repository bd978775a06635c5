import type { Step } from '../domain/decide-channel.ts';
import type { TimelineEntry } from './stores.ts';

const TIME_MAX = 9_999_999_999_999;

/** Sorts newest first, and is the same for the same thing at the same time. */
export const timelineId = (atMs: number, key: string): string =>
  `${String(TIME_MAX - atMs).padStart(13, '0')}!${key.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 100)}`;

const EFFECTS: Readonly<Record<Step['kind'], string>> = {
  createLiveEvent: 'The channel exists in the media service.',
  updateLiveEvent: 'The channel has its new settings.',
  startLiveEvent: 'Ingest opens.',
  stopLiveEvent: 'Ingest closes.',
  resetLiveEvent: 'Ingest begins anew.',
  deleteLiveEvent: 'The channel is removed from the media service.',
  createAsset: 'The recording has its place.',
  createOutput: 'The recording is armed.',
  deleteOutput: 'The recording ends; the same addresses are on-demand.',
  publish: 'Viewers can play it.',
  unpublish: 'It is closed to viewers.',
  deleteAsset: 'The recording is deleted.',
};

export function reconcileEntry(
  channel: string,
  { step, milliseconds }: { step: Step; milliseconds: number },
  atMs: number,
): TimelineEntry {
  const program = 'program' in step ? step.program : null;
  return {
    id: timelineId(atMs, `${step.kind}-${program ?? ''}`),
    channel,
    atMs,
    type: step.kind,
    source: 'reconcile',
    by: 'headend',
    program,
    effect: EFFECTS[step.kind],
    milliseconds,
  };
}
