export type ByteRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly start: number; readonly endInclusive: number }
  | { readonly kind: 'unsatisfiable' };

const WHOLE: ByteRange = { kind: 'whole' };
const ONE_RANGE = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/i;

/**
 * The one byte range a `Range` header asks for of a body of `sizeBytes`. RFC 9110 §14.2 lets a server ignore the
 * header: we do for several ranges, other units and bad syntax, so a player gets the whole body and not an error.
 */
export function parseByteRange(header: string | undefined, sizeBytes: number): ByteRange {
  if (header === undefined) return WHOLE;
  const match = ONE_RANGE.exec(header.replaceAll(' ', ''));
  if (match === null) return WHOLE;
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), sizeBytes);
    if (length === 0) return { kind: 'unsatisfiable' };
    return { kind: 'part', start: sizeBytes - length, endInclusive: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === undefined || last === '' ? sizeBytes - 1 : Number(last);
  // RFC 9110 §14.1.1: last before first is an invalid range, which is ignored.
  if (last !== '' && end < start) return WHOLE;
  if (start >= sizeBytes) return { kind: 'unsatisfiable' };
  return { kind: 'part', start, endInclusive: Math.min(end, sizeBytes - 1) };
}
