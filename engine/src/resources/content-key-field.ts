import { armError } from './error-catalogue.ts';

/** Throws `InvalidField`. */
export function refuse(field: string, reason: string): never {
  throw armError('InvalidField', { field, reason });
}

/** `text` has been found to be base64; throws `InvalidField` for a key of another size. */
export function keyBytes(
  text: string,
  field: string,
  size: { readonly min: number; readonly max: number },
): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length >= size.min && bytes.length <= size.max) return bytes;
  const wanted = size.min === size.max ? String(size.min) : `${size.min} to ${size.max}`;
  return refuse(field, `it has ${bytes.length} bytes, ${wanted} are expected`);
}

/** The specification requires it and lets it be null: keys may come from an OpenID discovery document alone. */
const NULL_IS_A_VALUE = 'primaryVerificationKey';

/** Optional fields that were sent as null are not there; answers of this service never carry them. */
export function withoutNulls(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, entry]) => (entry !== null || name === NULL_IS_A_VALUE) && entry !== undefined)
      .map(([name, entry]) => [name, cleaned(entry)]),
  );
}

function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cleaned);
  return typeof value === 'object' && value !== null ? withoutNulls(value) : value;
}
