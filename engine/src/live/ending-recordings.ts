import type { LiveDeps } from './live-deps.ts';
import type { LiveEventView } from './live-directory.ts';

/** Finishes recordings that end while nobody has their live event; an owner that is gone is taken over from. */
export async function finishEndingRecordings(
  view: LiveEventView,
  { ownerships, recordings, feedAddress }: Pick<LiveDeps, 'ownerships' | 'recordings' | 'feedAddress'>,
): Promise<void> {
  const ending = view.outputs.filter(({ resourceState }) => resourceState === 'Deleting');
  if (ending.length === 0) return;
  const ownership = await ownerships.acquire(view.id, feedAddress());
  try {
    for (const output of ending) await recordings.finishRecording(output, ownership.epoch);
  } finally {
    await ownership.release();
  }
}
