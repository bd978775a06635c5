import { z } from 'zod';
import type { GridEvent } from './event-schema.ts';

const FILTERS_MAX = 25;
const VALUES_MAX = 25;
const EVENT_TYPES_MAX = 500;
const KEY_PARTS_MAX = 8;

const key = z.string().min(1).max(512);
const strings = z.array(z.string().max(1024)).min(1).max(VALUES_MAX);
const numbers = z.array(z.number()).min(1).max(VALUES_MAX);

const AdvancedFilter = z.union([
  z.object({ operatorType: z.literal('BoolEquals'), key, value: z.boolean() }),
  z.object({
    operatorType: z.enum([
      'NumberLessThan',
      'NumberLessThanOrEquals',
      'NumberGreaterThan',
      'NumberGreaterThanOrEquals',
    ]),
    key,
    value: z.number(),
  }),
  z.object({ operatorType: z.enum(['NumberIn', 'NumberNotIn']), key, values: numbers }),
  z.object({
    operatorType: z.enum(['StringIn', 'StringNotIn', 'StringBeginsWith', 'StringEndsWith', 'StringContains']),
    key,
    values: strings,
  }),
  z.object({ operatorType: z.enum(['IsNullOrUndefined', 'IsNotNull']), key }),
]);
type AdvancedFilter = z.infer<typeof AdvancedFilter>;

export const EventFilter = z.object({
  includedEventTypes: z.array(z.string().min(1).max(1024)).max(EVENT_TYPES_MAX).optional(),
  subjectBeginsWith: z.string().max(1024).optional(),
  subjectEndsWith: z.string().max(1024).optional(),
  isSubjectCaseSensitive: z.boolean().optional(),
  advancedFilters: z.array(AdvancedFilter).max(FILTERS_MAX).optional(),
});
export type EventFilter = z.infer<typeof EventFilter>;

/** Whether an event passes: event types and subject, and every advanced filter. */
export function matchesFilter(event: GridEvent, filter: EventFilter): boolean {
  const types = filter.includedEventTypes ?? [];
  const isIncluded =
    types.length === 0 || types.some((type) => type === 'All' || sameText(type, event.eventType));
  if (!isIncluded) return false;
  const fold = (text: string) => (filter.isSubjectCaseSensitive === true ? text : text.toLowerCase());
  const subject = fold(event.subject);
  return (
    subject.startsWith(fold(filter.subjectBeginsWith ?? '')) &&
    subject.endsWith(fold(filter.subjectEndsWith ?? '')) &&
    (filter.advancedFilters ?? []).every((advanced) =>
      matchesAdvanced(readKey(event, advanced.key), advanced),
    )
  );
}

function matchesAdvanced(value: unknown, filter: AdvancedFilter): boolean {
  switch (filter.operatorType) {
    case 'BoolEquals':
      return value === filter.value;
    case 'NumberLessThan':
      return typeof value === 'number' && value < filter.value;
    case 'NumberLessThanOrEquals':
      return typeof value === 'number' && value <= filter.value;
    case 'NumberGreaterThan':
      return typeof value === 'number' && value > filter.value;
    case 'NumberGreaterThanOrEquals':
      return typeof value === 'number' && value >= filter.value;
    case 'NumberIn':
      return typeof value === 'number' && filter.values.includes(value);
    case 'NumberNotIn':
      // A key that is missing is in no list.
      return !(typeof value === 'number' && filter.values.includes(value));
    case 'IsNullOrUndefined':
      return value === null || value === undefined;
    case 'IsNotNull':
      return value !== null && value !== undefined;
    case 'StringNotIn':
      return !(typeof value === 'string' && filter.values.some((other) => sameText(other, value)));
    default:
      return (
        typeof value === 'string' && matchesText(value.toLowerCase(), filter.operatorType, filter.values)
      );
  }
}

function matchesText(
  value: string,
  operator: 'StringIn' | 'StringBeginsWith' | 'StringEndsWith' | 'StringContains',
  values: readonly string[],
): boolean {
  return values.some((raw) => {
    const other = raw.toLowerCase();
    switch (operator) {
      case 'StringIn':
        return value === other;
      case 'StringBeginsWith':
        return value.startsWith(other);
      case 'StringEndsWith':
        return value.endsWith(other);
      default:
        return value.includes(other);
    }
  });
}

/** `subject`, `data.x.y` and so on; names compare case-insensitively. */
function readKey(event: GridEvent, path: string): unknown {
  let value: unknown = event;
  for (const part of path.split('.').slice(0, KEY_PARTS_MAX)) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.entries(value).find(([name]) => sameText(name, part))?.[1];
  }
  return value;
}

function sameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
