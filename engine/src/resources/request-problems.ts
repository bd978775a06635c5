import type { z } from 'zod';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

export interface RequestProblem {
  /** `properties.outputs[0].preset`, `body` for the whole. */
  readonly field: string;
  readonly isUnknown: boolean;
  /** What is wrong with the value and what the limit is; starts in lower case, ends without a full stop. */
  readonly reason: string;
}

const SHOWN_LENGTH_MAX = 64;
const OPTIONS_SHOWN_MAX = 40;
/** Unions within unions of a schema; a request cannot make it more. */
const UNION_DEPTH_MAX = 16;

/** The first problem of a request body in words; `body` is what was sent. */
export function requestProblem(issues: readonly Issue[], body: unknown): RequestProblem {
  const [issue] = issues;
  if (issue === undefined) return { field: 'body', isUnknown: false, reason: 'it cannot be read' };
  return describe(issue, [], body, 0);
}

/** `a.b[0].c` */
export function fieldName(path: Path): string {
  const name = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${shorten(part)}`)).join('');
  return name.replace(/^\./, '') || 'body';
}

function describe(issue: Issue, prefix: Path, body: unknown, depth: number): RequestProblem {
  const path = [...prefix, ...issue.path];
  const at = (field: Path, reason: string) => ({ field: fieldName(field), isUnknown: false, reason });
  switch (issue.code) {
    case 'unrecognized_keys':
      return { field: fieldName([...path, issue.keys[0] ?? '']), isUnknown: true, reason: 'it is not known' };
    case 'invalid_union':
      return describeUnion(issue, path, body, depth);
    case 'invalid_key':
      return at(path, 'the name of an entry is empty or too long');
    default:
      return at(path, reasonOf(issue, valueAt(body, path)));
  }
}

function describeUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  path: Path,
  body: unknown,
  depth: number,
): RequestProblem {
  if ('discriminator' in issue && issue.discriminator !== undefined) {
    const { discriminator } = issue;
    const told = path.at(-1) === discriminator ? path : [...path, discriminator];
    const reason = oneOf(valueAt(body, told), ('options' in issue ? (issue.options ?? []) : []).map(String));
    return { field: fieldName(told), isUnknown: false, reason };
  }
  // The alternative that got furthest is the one that was meant.
  const [closest] = issue.errors.toSorted((left, right) => depthOf(right) - depthOf(left));
  const [first] = closest ?? [];
  if (first === undefined || depth >= UNION_DEPTH_MAX) {
    return {
      field: fieldName(path),
      isUnknown: false,
      reason: 'it has none of the forms that are allowed here',
    };
  }
  return describe(first, path, body, depth + 1);
}

const depthOf = (issues: readonly Issue[]): number => Math.max(0, ...issues.map(({ path }) => path.length));

function reasonOf(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, value);
    case 'invalid_value':
      return oneOf(value, issue.values.map(String));
    case 'too_big':
      return limit(issue.origin, value, `at most ${issue.maximum}`);
    case 'too_small':
      return limit(issue.origin, value, `at least ${issue.minimum}`);
    case 'invalid_format':
      return FORMATS[issue.format] ?? lowerFirst(issue.message);
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor} is expected`;
    default:
      return lowerFirst(issue.message);
  }
}

const FORMATS: Readonly<Record<string, string>> = {
  guid: 'a GUID is expected',
  base64: 'base64 is expected',
};

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
};

function wrongType(expected: string, value: unknown): string {
  const wanted = TYPES[expected] ?? expected;
  if (value === undefined || value === null) return `it is required: ${wanted} is expected`;
  return `${wanted} is expected, not ${nameOfType(value)}`;
}

function nameOfType(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'boolean') return String(value);
  return TYPES[typeof value] ?? 'this';
}

function oneOf(value: unknown, options: readonly string[]): string {
  const allowed = options
    .slice(0, OPTIONS_SHOWN_MAX)
    .map((option) => `'${option}'`)
    .join(', ');
  const list = options.length > OPTIONS_SHOWN_MAX ? `${allowed}, …` : allowed;
  if (value === undefined || value === null) return `it is required, as one of ${list}`;
  const sent = typeof value === 'string' ? `'${shorten(value)}'` : nameOfType(value);
  return options.length === 1 ? `${sent} is not ${list}` : `${sent} is none of ${list}`;
}

function limit(origin: string, value: unknown, bound: string): string {
  if (origin === 'string') return `it has ${lengthOf(value)} characters, ${bound} are allowed`;
  if (origin === 'array') return `it has ${lengthOf(value)} items, ${bound} are allowed`;
  return `${typeof value === 'number' ? value : 'the value'} is out of range, ${bound} is allowed`;
}

const lengthOf = (value: unknown): number =>
  typeof value === 'string' || Array.isArray(value) ? value.length : 0;

function valueAt(body: unknown, path: Path): unknown {
  let value = body;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, part)?.value;
  }
  return value;
}

function shorten(part: PropertyKey): string {
  const whole = String(part);
  return whole.length > SHOWN_LENGTH_MAX ? `${whole.slice(0, SHOWN_LENGTH_MAX)}…` : whole;
}

const lowerFirst = (message: string): string => message.slice(0, 1).toLowerCase() + message.slice(1);
