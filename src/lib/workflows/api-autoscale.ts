import type { Autoscale, AutoscalePolicy } from '../domain/autoscale.ts';
import { Problem } from '../domain/errors.ts';
import { type ScaleTarget, scaleKeyOf } from '../domain/scaling.ts';
import { type Caller, checkIfMatch } from './api-channels.ts';
import type { AutoscaleStore } from './autoscale-ports.ts';
import type { Stored } from './stores.ts';

const ATTEMPTS_MAX = 8;

interface Dependencies {
  readonly autoscales: AutoscaleStore;
  readonly random: { guid(): string };
}

export async function getAutoscale(
  target: ScaleTarget,
  { autoscales }: Pick<Dependencies, 'autoscales'>,
): Promise<Stored<Autoscale>> {
  const stored = await autoscales.find(scaleKeyOf(target));
  if (stored === undefined)
    throw new Problem('autoscaleNotFound', {
      detail: `Nothing scales the ${target.kind} ${target.name} by itself.`,
    });
  return stored;
}

/** Stores a policy; the same one twice is one. What was scaled before goes on counting for its cool-downs. */
export async function putAutoscale(
  target: ScaleTarget,
  policy: AutoscalePolicy,
  { caller, deps }: { caller: Caller; deps: Dependencies },
): Promise<{ autoscale: Autoscale; created: boolean }> {
  const key = scaleKeyOf(target);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await deps.autoscales.find(key);
    const before = stored?.value;
    checkIfMatch(caller, before);
    if (before !== undefined && JSON.stringify(before.policy) === JSON.stringify(policy))
      return { autoscale: before, created: false };
    const autoscale: Autoscale = {
      id: before?.id ?? deps.random.guid(),
      generation: (before?.generation ?? 0) + 1,
      target,
      policy,
      lastScaledAtMs: before?.lastScaledAtMs ?? null,
      lastDecision: before?.lastDecision ?? null,
    };
    if ((await deps.autoscales.save(key, autoscale, stored?.etag)) !== undefined)
      return { autoscale, created: before === undefined };
  }
  throw new Problem('busy', { detail: 'More requests than this call could follow. Ask again.' });
}

/** From then on its units stay as they are. */
export async function deleteAutoscale(
  target: ScaleTarget,
  { caller, deps }: { caller: Caller; deps: Dependencies },
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const { value, etag } = await getAutoscale(target, deps);
    checkIfMatch(caller, value);
    if (await deps.autoscales.remove(scaleKeyOf(target), etag)) return;
  }
  throw new Problem('busy', { detail: 'More requests than this call could follow. Ask again.' });
}
