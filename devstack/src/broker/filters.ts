import { z } from 'zod';
import type { AnyEvent } from './event-schema.ts';

// learn.microsoft.com, event-grid/event-filtering, "Limitations": both counts are per subscription.
const FILTERS_MAX = 25;
const VALUES_MAX = 25;
const STRING_CHARACTERS_MAX = 512;
const EVENT_TYPES_MAX = 500;
const KEY_CHARACTERS_MAX = 512;
const KEY_PARTS_MAX = 16;
/** Elements of an event's array that are looked at; 1 MB of event cannot hold many more. */
const ARRAY_ELEMENTS_MAX = 500_000;

const key = z
  .string()
  .min(1)
  .max(KEY_CHARACTERS_MAX)
  .refine((text) => text.split('.').length <= KEY_PARTS_MAX, `has more than ${KEY_PARTS_MAX} parts`);
const strings = z.array(z.string().max(STRING_CHARACTERS_MAX)).min(1);
const numbers = z.array(z.number()).min(1);
const ranges = z.array(z.tuple([z.number(), z.number()])).min(1);

const AdvancedFilter = z.discriminatedUnion('operatorType', [
  z.object({ operatorType: z.literal('BoolEquals'), key, value: z.boolean() }),
  z.object({ operatorType: z.literal('NumberLessThan'), key, value: z.number() }),
  z.object({ operatorType: z.literal('NumberLessThanOrEquals'), key, value: z.number() }),
  z.object({ operatorType: z.literal('NumberGreaterThan'), key, value: z.number() }),
  z.object({ operatorType: z.literal('NumberGreaterThanOrEquals'), key, value: z.number() }),
  z.object({ operatorType: z.literal('NumberIn'), key, values: numbers }),
  z.object({ operatorType: z.literal('NumberNotIn'), key, values: numbers }),
  z.object({ operatorType: z.literal('NumberInRange'), key, values: ranges }),
  z.object({ operatorType: z.literal('NumberNotInRange'), key, values: ranges }),
  z.object({ operatorType: z.literal('StringIn'), key, values: strings }),
  z.object({ operatorType: z.literal('StringNotIn'), key, values: strings }),
  z.object({ operatorType: z.literal('StringBeginsWith'), key, values: strings }),
  z.object({ operatorType: z.literal('StringNotBeginsWith'), key, values: strings }),
  z.object({ operatorType: z.literal('StringEndsWith'), key, values: strings }),
  z.object({ operatorType: z.literal('StringNotEndsWith'), key, values: strings }),
  z.object({ operatorType: z.literal('StringContains'), key, values: strings }),
  z.object({ operatorType: z.literal('StringNotContains'), key, values: strings }),
  z.object({ operatorType: z.literal('IsNullOrUndefined'), key }),
  z.object({ operatorType: z.literal('IsNotNull'), key }),
]);
type AdvancedFilter = z.infer<typeof AdvancedFilter>;

export const EventFilter = z.object({
  // Azure's templates write null for "all".
  includedEventTypes: z.array(z.string().min(1).max(1024)).max(EVENT_TYPES_MAX).nullish(),
  subjectBeginsWith: z.string().max(1024).nullish(),
  subjectEndsWith: z.string().max(1024).nullish(),
  isSubjectCaseSensitive: z.boolean().nullish(),
  enableAdvancedFilteringOnArrays: z.boolean().nullish(),
  advancedFilters: z
    .array(AdvancedFilter)
    .max(FILTERS_MAX)
    .refine((filters) => countValues(filters) <= VALUES_MAX, `have more than ${VALUES_MAX} values together`)
    .nullish(),
});
export type EventFilter = z.infer<typeof EventFilter>;

/** A range counts as one value. */
function countValues(filters: readonly AdvancedFilter[]): number {
  return filters.reduce((count, filter) => {
    if ('values' in filter) return count + filter.values.length;
    return 'value' in filter ? count + 1 : count;
  }, 0);
}

/** Whether an event passes: event types and subject, and every advanced filter. */
export function matchesFilter(event: AnyEvent, filter: EventFilter): boolean {
  const types = filter.includedEventTypes ?? [];
  const eventType = 'specversion' in event ? event.type : event.eventType;
  const isIncluded =
    types.length === 0 || types.some((type) => sameText(type, 'all') || sameText(type, eventType));
  if (!isIncluded) return false;
  const fold = (text: string) => (filter.isSubjectCaseSensitive === true ? text : text.toLowerCase());
  const subject = fold(event.subject ?? '');
  return (
    subject.startsWith(fold(filter.subjectBeginsWith ?? '')) &&
    subject.endsWith(fold(filter.subjectEndsWith ?? '')) &&
    (filter.advancedFilters ?? []).every((advanced) =>
      matchesAdvanced(
        readKey(event, advanced.key),
        advanced,
        filter.enableAdvancedFilteringOnArrays === true,
      ),
    )
  );
}

interface Rule {
  /** Only values of this type are compared; others are as if they were not there. */
  readonly type: 'number' | 'string' | 'boolean';
  readonly isNegated: boolean;
  /** Of a negated operator when the event has no such key: only "not in" holds then. */
  readonly holdsWithoutKey: boolean;
  /** What the operator, or what it negates, says of one value. */
  readonly test: (value: unknown) => boolean;
}

/**
 * As event-grid/event-filtering has it: an array matches when one element does, and for a negated operator when no
 * element matches what it negates; an array never matches unless the subscription says that arrays are looked into.
 */
function matchesAdvanced(value: unknown, filter: AdvancedFilter, onArrays: boolean): boolean {
  if (filter.operatorType === 'IsNullOrUndefined') return value === null || value === undefined;
  if (filter.operatorType === 'IsNotNull') return value !== null && value !== undefined;
  const { type, isNegated, holdsWithoutKey, test } = ruleOf(filter);
  if (Array.isArray(value)) {
    if (!onArrays) return false;
    const elements = value.slice(0, ARRAY_ELEMENTS_MAX).filter((element) => typeof element === type);
    return elements.some(test) !== isNegated;
  }
  if (typeof value !== type) return holdsWithoutKey;
  return test(value) !== isNegated;
}

function ruleOf(filter: Exclude<AdvancedFilter, { operatorType: 'IsNullOrUndefined' | 'IsNotNull' }>): Rule {
  const isNegated = filter.operatorType.includes('Not');
  const holdsWithoutKey = /NotIn/.test(filter.operatorType);
  const number = (test: (value: number) => boolean): Rule => ({
    type: 'number',
    isNegated,
    holdsWithoutKey,
    test: (value) => typeof value === 'number' && test(value),
  });
  const string = (values: readonly string[], test: (value: string, other: string) => boolean): Rule => {
    const others = values.map((other) => other.toLowerCase());
    return {
      type: 'string',
      isNegated,
      holdsWithoutKey,
      test: (value) => typeof value === 'string' && others.some((other) => test(value.toLowerCase(), other)),
    };
  };
  switch (filter.operatorType) {
    case 'BoolEquals':
      return { type: 'boolean', isNegated, holdsWithoutKey, test: (value) => value === filter.value };
    case 'NumberLessThan':
      return number((value) => value < filter.value);
    case 'NumberLessThanOrEquals':
      return number((value) => value <= filter.value);
    case 'NumberGreaterThan':
      return number((value) => value > filter.value);
    case 'NumberGreaterThanOrEquals':
      return number((value) => value >= filter.value);
    case 'NumberIn':
    case 'NumberNotIn':
      return number((value) => filter.values.includes(value));
    case 'NumberInRange':
    case 'NumberNotInRange':
      return number((value) => filter.values.some(([low, high]) => value >= low && value <= high));
    case 'StringIn':
    case 'StringNotIn':
      return string(filter.values, (value, other) => value === other);
    case 'StringBeginsWith':
    case 'StringNotBeginsWith':
      return string(filter.values, (value, other) => value.startsWith(other));
    case 'StringEndsWith':
    case 'StringNotEndsWith':
      return string(filter.values, (value, other) => value.endsWith(other));
    case 'StringContains':
    case 'StringNotContains':
      return string(filter.values, (value, other) => value.includes(other));
    default:
      return filter satisfies never;
  }
}

/** `subject`, `data.x.y` and so on; names compare case-insensitively. */
function readKey(event: AnyEvent, path: string): unknown {
  let value: unknown = event;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.entries(value).find(([name]) => sameText(name, part))?.[1];
  }
  return value;
}

function sameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
