/** Where an interval ends; undefined: it does not. */
export interface Bound {
  readonly value: string;
  readonly isIncluded: boolean;
}

/** Values from one bound to another, compared by code units. */
export interface Interval {
  readonly from: Bound | undefined;
  readonly to: Bound | undefined;
}

/** Any set of values that comparisons can describe: intervals in ascending order which neither meet nor touch. */
export type IntervalSet = readonly Interval[];

export const EVERYTHING: IntervalSet = [{ from: undefined, to: undefined }];
export const NOTHING: IntervalSet = [];

export const point = (value: string): IntervalSet => {
  const bound = { value, isIncluded: true };
  return [{ from: bound, to: bound }];
};
export const above = (value: string, isIncluded: boolean): IntervalSet => [
  { from: { value, isIncluded }, to: undefined },
];
export const below = (value: string, isIncluded: boolean): IntervalSet => [
  { from: undefined, to: { value, isIncluded } },
];

export const isPoint = ({ from, to }: Interval): boolean =>
  from !== undefined && to !== undefined && from.value === to.value;

export function intersection(left: IntervalSet, right: IntervalSet): IntervalSet {
  const both: Interval[] = [];
  let leftAt = 0;
  let rightAt = 0;
  for (;;) {
    const a = left[leftAt];
    const b = right[rightAt];
    if (a === undefined || b === undefined) return both;
    const from = compareFrom(a.from, b.from) >= 0 ? a.from : b.from;
    const isLeftFirst = compareTo(a.to, b.to) <= 0;
    const to = isLeftFirst ? a.to : b.to;
    if (!isEmpty(from, to)) both.push({ from, to });
    if (isLeftFirst) leftAt += 1;
    else rightAt += 1;
  }
}

export function union(left: IntervalSet, right: IntervalSet): IntervalSet {
  return complement(intersection(complement(left), complement(right)));
}

export function complement(set: IntervalSet): IntervalSet {
  const gaps: Interval[] = [];
  let from: Bound | undefined;
  for (const interval of set) {
    if (interval.from !== undefined) gaps.push({ from, to: opposite(interval.from) });
    if (interval.to === undefined) return gaps;
    from = opposite(interval.to);
  }
  gaps.push({ from, to: undefined });
  return gaps;
}

const opposite = ({ value, isIncluded }: Bound): Bound => ({ value, isIncluded: !isIncluded });

/** Which of two beginnings is later: negative when the left one comes first. */
function compareFrom(left: Bound | undefined, right: Bound | undefined): number {
  if (left === undefined || right === undefined)
    return Number(left !== undefined) - Number(right !== undefined);
  if (left.value !== right.value) return left.value < right.value ? -1 : 1;
  return Number(right.isIncluded) - Number(left.isIncluded);
}

function compareTo(left: Bound | undefined, right: Bound | undefined): number {
  if (left === undefined || right === undefined)
    return Number(left === undefined) - Number(right === undefined);
  if (left.value !== right.value) return left.value < right.value ? -1 : 1;
  return Number(left.isIncluded) - Number(right.isIncluded);
}

function isEmpty(from: Bound | undefined, to: Bound | undefined): boolean {
  if (from === undefined || to === undefined) return false;
  if (from.value === to.value) return !(from.isIncluded && to.isIncluded);
  return from.value > to.value;
}
