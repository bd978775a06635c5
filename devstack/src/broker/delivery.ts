import type { PendingEvent } from './journal.ts';
import { Lane, type LaneOptions, type LaneTotals } from './lane.ts';

export interface Delivery {
  /** Has the event delivered to the subscriptions that its state names. */
  enqueue(event: PendingEvent): void;
  /** Gives up what waits for a subscription that no longer exists. */
  forget(subscription: string): void;
  stats(): LaneTotals & { subscriptions: Readonly<Record<string, SubscriptionStats>> };
  /** Starts no more deliveries and waits for those that run, up to `drainMs`. */
  close(drainMs: number): Promise<void>;
}

export interface SubscriptionStats extends LaneTotals {
  /** For their first or next attempt. */
  readonly waiting: number;
  /** On their way to storage as dead letters. */
  readonly deadLettersWaiting: number;
  /** When an endpoint that only failed is asked again. */
  readonly pausedUntil?: string;
}

/** Delivers at least once, in order of publishing as long as nothing fails. */
export function openDelivery(options: LaneOptions): Delivery {
  const { deadLettering, journal, now } = options;
  const lanes = new Map<string, Lane>();
  /** Of lanes that are gone. */
  const past: LaneTotals = { delivered: 0, failedAttempts: 0, deadLettered: 0 };
  let isClosed = false;
  const laneOf = (name: string) => {
    const lane = lanes.get(name) ?? new Lane(name, options);
    lanes.set(name, lane);
    return lane;
  };
  const describe = (name: string, lane: Lane): SubscriptionStats => ({
    ...lane.totals,
    waiting: lane.waiting,
    deadLettersWaiting: deadLettering.waiting(name),
    ...(lane.pausedUntilMs > now() ? { pausedUntil: new Date(lane.pausedUntilMs).toISOString() } : {}),
  });
  return {
    enqueue(event) {
      if (isClosed) return;
      for (const [name, { dueAtMs, givenUp }] of event.deliveries) {
        if (givenUp === undefined) laneOf(name).add(event, dueAtMs);
        else deadLettering.resume(event, name);
      }
    },
    forget(subscription) {
      const name = subscription.toLowerCase();
      const lane = lanes.get(name);
      if (lane !== undefined) add(past, lane.totals);
      lane?.clear();
      lanes.delete(name);
      deadLettering.forget(name);
      for (const { sequence } of [...journal.pending.values()]) journal.settle(sequence, name);
    },
    stats() {
      const totals = { ...past };
      for (const lane of lanes.values()) add(totals, lane.totals);
      const subscriptions = [...lanes].map(([name, lane]) => [name, describe(name, lane)]);
      return { ...totals, subscriptions: Object.fromEntries(subscriptions) };
    },
    async close(drainMs) {
      isClosed = true;
      const drained = Promise.all([
        ...[...lanes.values()].map((lane) => lane.close()),
        deadLettering.close(),
      ]);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, drainMs);
      });
      await Promise.race([drained, late]);
      clearTimeout(timer);
    },
  };
}

function add(totals: LaneTotals, more: LaneTotals): void {
  totals.delivered += more.delivered;
  totals.failedAttempts += more.failedAttempts;
  totals.deadLettered += more.deadLettered;
}
