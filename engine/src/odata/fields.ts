import type { Literal, Operator } from './filter-expression.ts';

/** How values of a field are written, and compared. */
export type FieldType = 'string' | 'dateTime' | 'guid' | 'enum';

/** What a list can be asked about one field. */
export interface FieldRule {
  readonly type: FieldType;
  /** Of a string: what its letter case and the like become before it is compared; nothing by default. */
  readonly fold?: (text: string) => string;
  readonly operators: readonly Operator[];
  readonly orderable: boolean;
  /** Some entities have no value; such a field cannot be ordered by. */
  readonly isNullable?: boolean;
  /** No two entities have the same value: whoever asks for values gets as many entities at most. */
  readonly isUnique?: boolean;
  /** Of an enum: the name of its type and its values. */
  readonly enumType?: string;
  readonly values?: readonly string[];
}

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,7})\d*)?)?(Z|[+-]\d\d:\d\d)?)?$/i;
const MS_PER_MINUTE = 60_000;

/** Types that may stand before a quoted value of a field, in lower case. */
const TYPE_NAMES: Readonly<Record<FieldType, readonly string[]>> = {
  string: [],
  dateTime: ['datetime', 'datetimeoffset'],
  guid: ['guid'],
  enum: [],
};

/** A text that compares (by code units) as the field's values do; undefined when it is no value of the field. */
export function comparable(
  rule: Pick<FieldRule, 'type' | 'fold' | 'values'>,
  value: string,
): string | undefined {
  switch (rule.type) {
    case 'string':
      return rule.fold?.(value) ?? value;
    case 'dateTime':
      return sortableDateTime(value);
    case 'guid': {
      const guid = value.toLowerCase();
      return GUID.test(guid) ? guid : undefined;
    }
    case 'enum': {
      const wanted = value.toLowerCase();
      return rule.values?.some((known) => known.toLowerCase() === wanted) ? wanted : undefined;
    }
  }
}

/** The value that a literal means for the field, as `comparable` gives it; else the reason why it has none. */
export function literalValue(rule: FieldRule, literal: Literal): { value: string } | { reason: string } {
  if (literal.kind === 'bare' && (rule.type === 'string' || rule.type === 'enum')) {
    return { reason: 'a value in single quotes is expected' };
  }
  if (literal.kind === 'typed') {
    const known = [...TYPE_NAMES[rule.type], ...(rule.enumType === undefined ? [] : [rule.enumType])];
    if (!known.some((name) => name.toLowerCase() === literal.type.toLowerCase())) {
      return { reason: `a value of the type '${literal.type.slice(0, 80)}' cannot be compared with it` };
    }
  }
  const value = comparable(rule, literal.text);
  return value === undefined ? { reason: `${EXPECTED[rule.type]} is expected` } : { value };
}

const EXPECTED: Readonly<Record<FieldType, string>> = {
  string: 'a text',
  dateTime: 'a date and time such as 2018-05-11T17:39:08.387Z',
  guid: 'a GUID',
  enum: 'one of the values of its type',
};

/** `yyyyMMddHHmmss` and seven digits of the second, in UTC. Times without an offset are UTC, as the original takes them. */
function sortableDateTime(text: string): string | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [
    ,
    year = '',
    month = '',
    day = '',
    hour = '00',
    minute = '00',
    second = '00',
    fraction = '',
    zone = 'Z',
  ] = match;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const localMs = Date.parse(iso);
  // `Date.parse` takes the 30th of February for the 2nd of March.
  if (Number.isNaN(localMs) || new Date(localMs).toISOString() !== iso) return undefined;
  const at = new Date(localMs - offsetMinutes(zone) * MS_PER_MINUTE);
  const years = at.getUTCFullYear();
  if (years < 0 || years > 9999) return undefined;
  return at.toISOString().slice(0, 19).replaceAll(/\D/g, '') + fraction.padEnd(7, '0');
}

function offsetMinutes(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return zone.startsWith('-') ? -minutes : minutes;
}
