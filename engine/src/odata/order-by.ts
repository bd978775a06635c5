import { MalformedQuery } from './malformed-query.ts';
import { type FieldRules, findField } from './predicate.ts';

export interface OrderBy {
  readonly field: string;
  readonly direction: 'asc' | 'desc';
}

const ORDER_LENGTH_MAX = 200;
const ORDER = /^\s*([^\s,]+)(?:\s+(asc|desc))?\s*$/i;

/** Reads an `$orderby` of one field; throws `MalformedQuery`. */
export function parseOrderBy(text: string, rules: FieldRules): OrderBy {
  const [, field, direction = 'asc'] = ORDER.exec(text.slice(0, ORDER_LENGTH_MAX)) ?? [];
  if (field === undefined || text.length > ORDER_LENGTH_MAX) {
    throw new MalformedQuery('$orderby', "one field, and 'asc' or 'desc' after it, are expected");
  }
  const name = findField(field, rules);
  if (name === undefined || rules[name]?.orderable !== true) {
    throw new MalformedQuery('$orderby', `'${field.slice(0, 80)}' cannot be ordered by here`);
  }
  return { field: name, direction: direction.toLowerCase() === 'desc' ? 'desc' : 'asc' };
}
