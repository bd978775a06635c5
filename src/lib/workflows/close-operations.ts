import type { Channel, OpenOperation } from '../domain/channel.ts';
import { operationProgress, type Progress } from '../domain/operation-progress.ts';
import type { Program } from '../domain/program.ts';
import type { OperationStore } from './stores.ts';

interface Reached {
  readonly channel: Channel | undefined;
  readonly open: readonly OpenOperation[];
  readonly programs: readonly Program[];
  readonly nowMs: number;
}

/** Writes how far each open operation is; resolves to those still open. */
export function closeOperations(
  { channel, open, programs, nowMs }: Reached,
  operations: OperationStore,
): Promise<readonly OpenOperation[]> {
  const progressOf = (item: OpenOperation): Progress =>
    operationProgress(item, { channel, program: programs.find(({ name }) => name === item.program) });
  return advanceOperations(open, { progressOf, nowMs, operations });
}

/** The same for operations of anything. */
export async function advanceOperations<T extends { readonly id: string }>(
  open: readonly T[],
  {
    progressOf,
    nowMs,
    operations,
  }: { progressOf: (item: T) => Progress; nowMs: number; operations: OperationStore },
): Promise<readonly T[]> {
  const remaining = await Promise.all(
    open.map(async (item) => {
      const stored = await operations.find(item.id);
      if (stored === undefined) return undefined;
      const progress = progressOf(item);
      const isOver = progress.status !== 'Running';
      const changed =
        progress.status !== stored.status ||
        progress.step !== stored.step ||
        progress.percentComplete !== stored.percentComplete;
      if (changed)
        await operations.change(item.id, () => ({ ...progress, ...(isOver ? { finishedAtMs: nowMs } : {}) }));
      return isOver ? undefined : item;
    }),
  );
  return remaining.filter((item) => item !== undefined);
}
