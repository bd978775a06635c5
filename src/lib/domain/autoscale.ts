import type { ScaleTarget } from './scaling.ts';
import { isActive, type Schedule } from './schedule.ts';

/** How much one unit is to carry; null: it does not matter. */
export interface AutoscaleTargets {
  readonly cpuPercent: number | null;
  readonly egressMbpsPerUnit: number | null;
  readonly requestsPerSecondPerUnit: number | null;
  readonly jobsPerUnit: number | null;
}
export type Measure = keyof AutoscaleTargets;

export interface AutoscalePolicy {
  readonly minimum: number;
  readonly maximum: number;
  readonly targets: AutoscaleTargets;
  /** Units are taken away when the load was low for so long. */
  readonly windowMs: number;
  /** After a change nothing is added, or taken away, for so long. */
  readonly scaleUpCoolDownMs: number;
  readonly scaleDownCoolDownMs: number;
  readonly schedules: readonly Schedule[];
}

/** What the whole target carries: in the newest minute, and at most within the window. `recent` is not above `highest`. */
export interface Load {
  readonly recent: number;
  readonly highest: number;
}
/** Measures that nobody has taken are absent. */
export type Loads = Readonly<Partial<Record<Measure, Load>>>;

export interface AutoscaleFacts {
  readonly units: number;
  /** It is being scaled now, whoever asked for it. */
  readonly busy: boolean;
  /** A target that carries nothing on purpose is left alone. */
  readonly stopped: boolean;
  readonly loads: Loads;
  readonly nowMs: number;
  readonly lastScaledAtMs: number | null;
}

export type AutoscaleReason =
  | 'steady'
  | 'load'
  | 'belowMinimum'
  | 'aboveMaximum'
  | 'coolingDown'
  | 'scaling'
  | 'stopped'
  | 'notMeasured'
  | 'notFound';

export interface AutoscaleDecision {
  /** As many as there are: nothing is done. */
  readonly units: number;
  readonly reason: AutoscaleReason;
}

/** Everything that is stored of the autoscaling of one target. */
export interface Autoscale {
  readonly id: string;
  readonly generation: number;
  readonly target: ScaleTarget;
  readonly policy: AutoscalePolicy;
  readonly lastScaledAtMs: number | null;
  readonly lastDecision:
    | (AutoscaleDecision & { readonly from: number; readonly atMs: number; readonly loads: Loads })
    | null;
}

/** Busy within a tenth of its target is as busy as it should be. */
const TOLERANCE = 0.1;

/** How many units there should be now. Never outside minimum and maximum, and never fewer for more load. */
export function decideAutoscale(policy: AutoscalePolicy, facts: AutoscaleFacts): AutoscaleDecision {
  const { units, loads, nowMs, lastScaledAtMs } = facts;
  const hold = (reason: AutoscaleReason): AutoscaleDecision => ({ units, reason });
  if (facts.stopped) return hold('stopped');
  if (facts.busy) return hold('scaling');
  const floor = floorOf(policy, nowMs);
  const within = (wanted: number): number => Math.min(policy.maximum, Math.max(floor, wanted));
  const wantedNow = within(demand(policy, units, loads, 'recent') ?? units);
  // What the policy says of itself does not wait.
  if (units < floor) return { units: wantedNow, reason: 'belowMinimum' };
  if (units > policy.maximum) return { units: policy.maximum, reason: 'aboveMaximum' };
  const sinceMs = lastScaledAtMs === null ? Number.POSITIVE_INFINITY : nowMs - lastScaledAtMs;
  if (wantedNow > units) {
    return sinceMs >= policy.scaleUpCoolDownMs ? { units: wantedNow, reason: 'load' } : hold('coolingDown');
  }
  const wantedAtMost = demand(policy, units, loads, 'highest');
  if (wantedAtMost === undefined) return hold('notMeasured');
  const wanted = within(wantedAtMost);
  if (wanted >= units) return hold('steady');
  return sinceMs >= policy.scaleDownCoolDownMs ? { units: wanted, reason: 'load' } : hold('coolingDown');
}

/** The minimum, raised by the schedules of this moment. */
function floorOf({ minimum, maximum, schedules }: AutoscalePolicy, nowMs: number): number {
  const raised = schedules
    .filter((schedule) => isActive(schedule, nowMs))
    .map((schedule) => schedule.minimum);
  return Math.min(maximum, Math.max(minimum, ...raised));
}

/** The units for whichever measure needs most; undefined when one that matters was not taken. */
function demand(
  { targets }: AutoscalePolicy,
  units: number,
  loads: Loads,
  when: keyof Load,
): number | undefined {
  const wanted: number[] = [];
  let isComplete = true;
  for (const measure of MEASURES) {
    const target = targets[measure];
    if (target === null) continue;
    const load = loads[measure]?.[when];
    if (load === undefined) isComplete = false;
    else
      wanted.push(
        measure === 'cpuPercent' ? unitsForShare(units, load / target) : unitsFor(units, load, target),
      );
  }
  const most = Math.max(0, ...wanted);
  // Enough is known to add units; to take some away everything must be.
  return isComplete || most > units ? most : undefined;
}

const MEASURES: readonly Measure[] = [
  'cpuPercent',
  'egressMbpsPerUnit',
  'requestsPerSecondPerUnit',
  'jobsPerUnit',
];

/** Of a measure that is shared by the units there are; one of a standard endpoint works too. */
function unitsForShare(units: number, ratio: number): number {
  const isAsItShouldBe = ratio >= 1 - TOLERANCE && ratio <= 1 + TOLERANCE;
  return isAsItShouldBe ? units : Math.ceil(Math.max(1, units) * ratio);
}

/** Of a measure of the whole: added when it does not fit, taken away when it fits with some room. */
function unitsFor(units: number, load: number, perUnit: number): number {
  const needed = Math.ceil(load / perUnit);
  return needed > units ? needed : Math.min(units, Math.ceil(load / (perUnit * (1 - TOLERANCE))));
}
