import { z } from 'zod';
import { ADDED_LATER } from '../contract/added-later.ts';
import { armError } from './error-catalogue.ts';
import { parseIsoDurationMs } from './iso-duration.ts';
import { fieldName, requestProblem } from './request-problems.ts';

/**
 * The value as its schema types it; throws `UnknownField` or `InvalidField` naming the first field that is wrong.
 * With an api-version, fields which only newer ones know are unknown.
 */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown, apiVersion?: string): z.output<T> {
  if (apiVersion !== undefined) refuseWhatCameLater(body, apiVersion);
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const { field, reason, isUnknown } = requestProblem(result.error.issues, body);
  throw isUnknown ? armError('UnknownField', { field }) : armError('InvalidField', { field, reason });
}

function refuseWhatCameLater(body: unknown, apiVersion: string): void {
  for (const { path, since } of ADDED_LATER) {
    if (apiVersion < since && isSent(body, path)) {
      throw armError('UnknownField', { field: `${fieldName(path)}' of api-version '${since}` });
    }
  }
}

function isSent(body: unknown, path: readonly string[]): boolean {
  let value = body;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return false;
    value = Object.getOwnPropertyDescriptor(value, part)?.value;
  }
  return value !== null && value !== undefined;
}

const TEXT_LENGTH_MAX = 4096;

export const text = z.string().max(TEXT_LENGTH_MAX);

export const guid = z.guid().toLowerCase();

/** ISO 8601 duration between two limits, kept as the caller wrote it. */
export function duration(limits: { readonly min: string; readonly max: string }) {
  const minMs = parseIsoDurationMs(limits.min) ?? 0;
  const maxMs = parseIsoDurationMs(limits.max) ?? 0;
  return z.string().refine((value) => {
    const valueMs = parseIsoDurationMs(value);
    return valueMs !== undefined && valueMs >= minMs && valueMs <= maxMs;
  }, `an ISO 8601 duration from ${limits.min} to ${limits.max} is expected`);
}
