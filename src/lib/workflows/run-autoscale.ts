import { type Autoscale, type AutoscaleDecision, decideAutoscale, type Loads } from '../domain/autoscale.ts';
import { scaleKeyOf } from '../domain/scaling.ts';
import { requestScaling } from './api-scaling.ts';
import type { AutoscaleStore, AutoscaleTargets, LoadMetrics } from './autoscale-ports.ts';
import type { ScalingDependencies } from './scaling-ports.ts';
import type { Stored } from './stores.ts';

/** What was decided is written down when it is something else, and now and then, so that it is seen to be looked at. */
const NOTED_EVERY_MS = 60_000;

export interface RunAutoscaleDependencies
  extends Pick<ScalingDependencies, 'scalings' | 'scaleDue' | 'scaleQueue' | 'operations' | 'clock'> {
  readonly autoscales: AutoscaleStore;
  readonly autoscaleTargets: AutoscaleTargets;
  readonly loadMetrics: LoadMetrics;
  readonly random: { guid(): string };
}

export interface AutoscaleResult extends AutoscaleDecision {
  readonly from: number;
  /** Undefined: nothing was asked for. */
  readonly operation: string | undefined;
}

/**
 * Looks at one target and asks for units as a caller of the API does. It is stored as scaled before it is asked for: of
 * two that look at the same time one asks, and who dies in between has asked for nothing until the cool-down is over.
 */
export async function runAutoscale(
  { value: autoscale, etag }: Stored<Autoscale>,
  deps: RunAutoscaleDependencies,
): Promise<AutoscaleResult> {
  const { target, policy } = autoscale;
  const nowMs = deps.clock.now();
  const found = await deps.autoscaleTargets.read(target);
  if (found === undefined) {
    const decision = { units: 0, reason: 'notFound' as const };
    await note({ autoscale, etag }, { decision, from: 0, loads: {}, nowMs }, deps);
    return { ...decision, from: 0, operation: undefined };
  }
  const loads = found.stopped
    ? {}
    : await deps.loadMetrics.read(target, { windowMs: policy.windowMs, nowMs });
  const decision = decideAutoscale(policy, {
    ...found,
    loads,
    nowMs,
    lastScaledAtMs: autoscale.lastScaledAtMs,
  });
  const from = found.units;
  const made = { decision, from, loads, nowMs };
  if (decision.units === from) {
    await note({ autoscale, etag }, made, deps);
    return { ...decision, from, operation: undefined };
  }
  const next = { ...noted(autoscale, made), lastScaledAtMs: nowMs };
  const saved = await deps.autoscales.save(scaleKeyOf(target), next, etag);
  if (saved === undefined) return { units: from, reason: 'scaling', from, operation: undefined };
  const operation = await requestScaling(target, decision.units, deps);
  await deps.scaleQueue.send({ ...target, operation: operation.id }, 0);
  return { ...decision, from, operation: operation.id };
}

interface Made {
  readonly decision: AutoscaleDecision;
  readonly from: number;
  readonly loads: Loads;
  readonly nowMs: number;
}

const noted = (autoscale: Autoscale, { decision, from, loads, nowMs }: Made): Autoscale => ({
  ...autoscale,
  lastDecision: { ...decision, from, loads, atMs: nowMs },
});

/** Somebody else may have written meanwhile: then theirs stands. */
async function note(
  { autoscale, etag }: { autoscale: Autoscale; etag: string },
  made: Made,
  deps: RunAutoscaleDependencies,
): Promise<void> {
  const { lastDecision: last } = autoscale;
  const { decision, from, nowMs } = made;
  const isSame = last !== null && last.reason === decision.reason && last.from === from;
  if (isSame && nowMs - last.atMs < NOTED_EVERY_MS) return;
  await deps.autoscales.save(scaleKeyOf(autoscale.target), noted(autoscale, made), etag);
}
