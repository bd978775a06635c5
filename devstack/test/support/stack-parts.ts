import { childrenOf, type RunningProcess } from './process-tree.ts';
import type { Stack } from './stack.ts';

/** What can die in a running stack. `worker` is the Functions host's child, `serving` one of the origin's. */
export const PARTS = ['engine', 'origin', 'serving', 'worker', 'host', 'broker'] as const;
export type Part = (typeof PARTS)[number];

/** Parts that are no children of the supervisor's own. */
const CHILDREN = {
  worker: { parent: 'host', command: 'host-worker' },
  serving: { parent: 'origin', command: 'serve-connections' },
} as const;
const NEW_PROCESS_WITHIN_MS = 20_000;
const POLL_MS = 20;

/** The process that plays a part at this moment; undefined between a crash and the restart. */
export async function findPart(
  stack: Stack,
  part: Part | 'azurite-blob' | 'azurite-table',
): Promise<number | undefined> {
  const children = await childrenOf(stack.supervisorPid);
  if (part === 'worker' || part === 'serving') {
    const { parent, command } = CHILDREN[part];
    const above = children.find(isPart(parent));
    const below = above === undefined ? [] : await childrenOf(above.pid);
    return below.find(({ args }) => args.includes(command))?.pid;
  }
  return children.find(isPart(part))?.pid;
}

/** As `findPart`, but waits for a process other than `oldPid`. */
export async function untilPart(
  stack: Stack,
  part: Parameters<typeof findPart>[1],
  oldPid?: number,
): Promise<number> {
  const deadline = Date.now() + NEW_PROCESS_WITHIN_MS;
  for (;;) {
    const pid = await findPart(stack, part);
    if (pid !== undefined && pid !== oldPid) return pid;
    if (Date.now() > deadline) throw new Error(`no process plays ${part} after ${NEW_PROCESS_WITHIN_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function isPart(part: string): (child: RunningProcess) => boolean {
  return ({ args }) => {
    const command = args.slice(args.findIndex((arg) => arg.endsWith('.mjs')) + 1);
    if (part === 'engine') return command[0] === 'serve' && command.includes('control,ingest,worker');
    if (part === 'origin') return command[0] === 'serve' && command.includes('origin,keys');
    if (part.startsWith('azurite-'))
      return command[0] === 'azurite' && command[1] === part.slice('azurite-'.length);
    return command[0] === part;
  };
}
