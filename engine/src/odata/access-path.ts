import {
  above,
  below,
  complement,
  EVERYTHING,
  type IntervalSet,
  intersection,
  isPoint,
  NOTHING,
  point,
  union,
} from './intervals.ts';
import type { OrderBy } from './order-by.ts';
import type { FieldRules, Predicate } from './predicate.ts';

/** How the entities of a list are found. */
export interface AccessPath {
  /** Whose index is read. */
  readonly field: string;
  readonly direction: 'asc' | 'desc';
  /** Which part of the index can hold entities that match. */
  readonly intervals: IntervalSet;
  /** Whether every entity in the intervals matches; else each is looked at. */
  readonly isExact: boolean;
  /** The few entities that are found are still to be put into order. */
  readonly isSorted: boolean;
}

/** Fields that have index rows, with the one by which the resources themselves are stored first. */
export interface Indexes {
  readonly primary: string;
  readonly fields: readonly string[];
}

/**
 * The cheapest way to the entities that match: a field whose values are unique, when the filter names them; else the
 * index of the order; else the index that the filter narrows most; else all by their primary key.
 */
export function planAccess(
  query: { readonly predicate?: Predicate | undefined; readonly orderBy?: OrderBy | undefined },
  rules: FieldRules,
  indexes: Indexes,
): AccessPath {
  const { predicate, orderBy } = query;
  const candidates = [...new Set([indexes.primary, ...indexes.fields])]
    .map((field) => ({ field, ...valuesOf(predicate, field) }))
    // An index has no rows of entities without a value.
    .filter(({ field, hasAbsent }) => !(rules[field]?.isNullable === true && hasAbsent));
  const path = (field: string, isSorted: boolean, direction: OrderBy['direction'] = 'asc'): AccessPath => {
    const { intervals } = valuesOf(predicate, field);
    return { field, direction, intervals, isExact: isOnlyAbout(predicate, field), isSorted };
  };
  const unique = candidates.find(
    ({ field, intervals }) => rules[field]?.isUnique === true && intervals.every(isPoint),
  );
  if (unique !== undefined) {
    const isSorted =
      unique.intervals.length <= 1 || orderBy === undefined || isAscending(orderBy, unique.field);
    return path(unique.field, isSorted);
  }
  if (orderBy !== undefined) return path(orderBy.field, true, orderBy.direction);
  const [best] = candidates
    .map(({ field, intervals }) => ({ field, narrowness: narrowness(intervals) }))
    .sort((left, right) => right.narrowness - left.narrowness);
  return path(best?.field ?? indexes.primary, true);
}

const isAscending = (orderBy: OrderBy, field: string): boolean =>
  orderBy.field === field && orderBy.direction === 'asc';

/** Equality before two bounds, before one, before none. */
function narrowness(intervals: IntervalSet): number {
  if (intervals.every(isPoint)) return 3;
  if (intervals.every(({ from, to }) => from !== undefined && to !== undefined)) return 2;
  const [first] = intervals;
  const isOneSided = intervals.length === 1 && (first?.from !== undefined || first?.to !== undefined);
  return isOneSided ? 1 : 0;
}

interface FieldValues {
  readonly intervals: IntervalSet;
  /** Whether entities without a value of the field can match. */
  readonly hasAbsent: boolean;
}

/** The values of one field that entities which match can have. */
export function valuesOf(predicate: Predicate | undefined, field: string): FieldValues {
  if (predicate === undefined) return { intervals: EVERYTHING, hasAbsent: true };
  if (predicate.kind === 'comparison') return comparedValues(predicate, field);
  const operands = predicate.operands.map((operand) => valuesOf(operand, field));
  if (predicate.kind === 'and') {
    return {
      intervals: operands.reduce<IntervalSet>(
        (set, { intervals }) => intersection(set, intervals),
        EVERYTHING,
      ),
      hasAbsent: operands.every(({ hasAbsent }) => hasAbsent),
    };
  }
  return {
    intervals: operands.reduce<IntervalSet>((set, { intervals }) => union(set, intervals), NOTHING),
    hasAbsent: operands.some(({ hasAbsent }) => hasAbsent),
  };
}

function comparedValues(comparison: Predicate & { kind: 'comparison' }, field: string): FieldValues {
  if (comparison.field !== field) return { intervals: EVERYTHING, hasAbsent: true };
  const { operator, value } = comparison;
  switch (operator) {
    case 'eq':
      return { intervals: point(value), hasAbsent: false };
    case 'ne':
      return { intervals: complement(point(value)), hasAbsent: true };
    case 'gt':
    case 'ge':
      return { intervals: above(value, operator === 'ge'), hasAbsent: false };
    case 'lt':
    case 'le':
      return { intervals: below(value, operator === 'le'), hasAbsent: false };
  }
}

function isOnlyAbout(predicate: Predicate | undefined, field: string): boolean {
  if (predicate === undefined) return true;
  if (predicate.kind === 'comparison') return predicate.field === field;
  return predicate.operands.every((operand) => isOnlyAbout(operand, field));
}
