import type { BegunStatus, ScaleTarget } from '../../src/lib/domain/scaling.ts';
import type { Scalables, ScaleOrder } from '../../src/lib/workflows/scaling-ports.ts';

const BUSY: ScaleOrder = { kind: 'later', code: 'OperationInProgress', message: 'busy' };

interface Pending {
  readonly key: string;
  readonly to: number;
}

/** A media service that scales one order at a time per target, done when `settle` is called. */
export function fakeScalables({ step = () => {} }: { step?: () => void } = {}) {
  const units = new Map([
    ['default', 1],
    ['encodingCapacity', 0],
  ]);
  const statuses = new Map<string, BegunStatus>();
  const pending = new Map<string, Pending>();
  const state = {
    units,
    /** Every order that was taken, in order. */
    orders: [] as number[],
    /** What the next orders are answered with instead. */
    answers: [] as ScaleOrder[],
    /** What the next orders come to. */
    ends: [] as BegunStatus[],
    readable: true,
    /** At no time two of one target. */
    concurrentMax: 0,
  };
  const keyOf = ({ kind, name }: ScaleTarget) => (kind === 'encodingCapacity' ? kind : name.toLowerCase());
  const crashable =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    async (...args: A): Promise<R> => {
      step();
      const result = work(...args);
      step();
      return result;
    };
  const scalables: Scalables = {
    read: crashable((target) => {
      if (!state.readable) throw new Error('connect ECONNREFUSED');
      const found = units.get(keyOf(target));
      const busy = [...pending.values()].some(({ key }) => key === keyOf(target));
      return found === undefined ? undefined : { units: found, busy };
    }),
    order: crashable((target, to): ScaleOrder => {
      const answer = state.answers.shift();
      if (answer !== undefined) return answer;
      const key = keyOf(target);
      const open = [...pending.values()].filter((item) => item.key === key).length;
      state.concurrentMax = Math.max(state.concurrentMax, open);
      if (open > 0) return BUSY;
      const status = `s${statuses.size}`;
      statuses.set(status, { kind: 'running' });
      pending.set(status, { key, to });
      state.orders.push(to);
      return { kind: 'done', status };
    }),
    follow: crashable((_target, status) => statuses.get(status) ?? { kind: 'unknown' }),
  };
  const settle = () => {
    for (const [status, { key, to }] of pending) {
      const end = state.ends.shift() ?? { kind: 'succeeded' };
      statuses.set(status, end);
      if (end.kind === 'succeeded') units.set(key, to);
    }
    pending.clear();
  };
  return { scalables, scaleState: state, settleScaling: settle };
}
