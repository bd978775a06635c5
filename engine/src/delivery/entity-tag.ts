import { createHash } from 'node:crypto';

const TAGS_PER_HEADER_MAX = 32;
const TAG_CHARS = 22;

const known = new WeakMap<Uint8Array, string>();

/** A strong entity tag of these bytes, which must not change: equal bytes have equal tags in every origin process. */
export function entityTagOf(body: Uint8Array): string {
  const tag = known.get(body) ?? hashOf(body);
  known.set(body, tag);
  return tag;
}

function hashOf(body: Uint8Array): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, TAG_CHARS)}"`;
}

/** RFC 9110 §13.1.2: `If-None-Match` compares weakly. */
export function matchesEntityTag(header: string | undefined, entityTag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header
    .split(',', TAGS_PER_HEADER_MAX)
    .some((candidate) => candidate.trim().replace(/^W\//, '') === entityTag);
}

/** RFC 9110 §13.1.5: a range counts only while the representation is the one the client has a part of. */
export function rangeStillApplies(ifRange: string | undefined, entityTag: string): boolean {
  return ifRange === undefined || ifRange.trim() === entityTag;
}
