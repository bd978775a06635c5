import type { Channel, OpenOperation } from '../domain/channel.ts';
import { operationProgress } from '../domain/operation-progress.ts';
import type { Program } from '../domain/program.ts';
import type { OperationStore } from './stores.ts';

interface Reached {
  readonly channel: Channel | undefined;
  readonly open: readonly OpenOperation[];
  readonly programs: readonly Program[];
  readonly nowMs: number;
}

/** Writes how far each open operation is; resolves to those still open. */
export async function closeOperations(
  { channel, open, programs, nowMs }: Reached,
  operations: OperationStore,
): Promise<readonly OpenOperation[]> {
  const remaining = await Promise.all(
    open.map(async (item) => {
      const stored = await operations.find(item.id);
      if (stored === undefined) return undefined;
      const progress = operationProgress(item, {
        channel,
        program: programs.find(({ name }) => name === item.program),
      });
      const isOver = progress.status !== 'Running';
      const changed = progress.status !== stored.status || progress.step !== stored.step;
      if (changed)
        await operations.change(item.id, () => ({ ...progress, ...(isOver ? { finishedAtMs: nowMs } : {}) }));
      return isOver ? undefined : item;
    }),
  );
  return remaining.filter((item) => item !== undefined);
}
