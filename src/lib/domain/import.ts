import type { VideoSettings } from './video.ts';

/** Many videos that are made at a caller's request. */
export interface Import {
  readonly id: string;
  readonly description: string;
  readonly createdAtMs: number;
  readonly by: string;
  readonly total: number;
  readonly canceled: boolean;
  /** It is to be forgotten when its rows are gone. */
  readonly deleted: boolean;
  readonly counts: ImportCounts;
  readonly finishedAtMs: number | null;
}

export type ImportItemState = 'pending' | 'running' | 'succeeded' | 'failed' | 'canceled';
export type ImportCounts = Readonly<Record<ImportItemState, number>>;

export interface ImportItem {
  readonly number: number;
  readonly video: string;
  /** The id that the video will have, and that the secret of its address is kept under already. */
  readonly videoId: string;
  readonly settings: VideoSettings;
  readonly sourceMark: string | null;
  readonly state: ImportItemState;
  readonly error: { readonly code: string; readonly reason: string } | null;
}

export type ImportState = 'running' | 'canceling' | 'finished' | 'canceled';

export const importState = ({ canceled, finishedAtMs }: Import): ImportState => {
  if (finishedAtMs !== null) return canceled ? 'canceled' : 'finished';
  return canceled ? 'canceling' : 'running';
};

export function countItems(items: readonly Pick<ImportItem, 'state'>[]): ImportCounts {
  const counts = { pending: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
  for (const { state } of items) counts[state] += 1;
  return counts;
}

/** Sorts in the order in which they were given. */
export const itemKeyOf = ({ number }: Pick<ImportItem, 'number'>): string => String(number).padStart(6, '0');

const TIME_MAX = 9_999_999_999_999;

/** Sorts newest first. */
export const importIdOf = (nowMs: number, guid: string): string =>
  `${String(TIME_MAX - nowMs).padStart(13, '0')}-${guid.slice(0, 8)}`;

export const importMadeAtMs = (id: string): number => TIME_MAX - Number(id.split('-')[0]);
