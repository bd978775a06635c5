import { z } from 'zod';
import { armError } from './error-catalogue.ts';
import { parseIsoDurationMs } from './iso-duration.ts';

/** The value as its schema types it; throws `UnknownField` or `InvalidField` naming the first field that is wrong. */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw armError('InvalidField', { field: 'body', reason: 'not readable' });
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    throw armError('UnknownField', { field: [...path, issue.keys[0] ?? ''].join('.') });
  }
  throw armError('InvalidField', { field: path.join('.') || 'body', reason: lowerFirst(issue.message) });
}

const lowerFirst = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1);

const TEXT_LENGTH_MAX = 4096;
const TAGS_MAX = 50;
const TAG_NAME_LENGTH_MAX = 512;
const TAG_VALUE_LENGTH_MAX = 256;

export const text = z.string().max(TEXT_LENGTH_MAX);

/** Read-only fields and everything else that a client echoes from an answer: accepted, not looked at. */
export const readOnly = z.unknown().optional();

/** What every resource may carry around `properties`; clients send answers back whole. */
export const envelope = {
  id: readOnly,
  name: readOnly,
  type: readOnly,
  systemData: readOnly,
};

export const tags = z
  .record(z.string().max(TAG_NAME_LENGTH_MAX), z.string().max(TAG_VALUE_LENGTH_MAX))
  .refine((value) => Object.keys(value).length <= TAGS_MAX, `at most ${TAGS_MAX} tags are allowed`);

export const guid = z.guid('a GUID is expected').toLowerCase();

/** ISO 8601 duration between two limits, kept as the caller wrote it. */
export function duration(limits: { readonly min: string; readonly max: string }) {
  const minMs = parseIsoDurationMs(limits.min) ?? 0;
  const maxMs = parseIsoDurationMs(limits.max) ?? 0;
  return z.string().refine((value) => {
    const valueMs = parseIsoDurationMs(value);
    return valueMs !== undefined && valueMs >= minMs && valueMs <= maxMs;
  }, `an ISO 8601 duration from ${limits.min} to ${limits.max} is expected`);
}
