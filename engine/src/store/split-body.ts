/** Azure: a string property holds at most 32 K UTF-16 characters, an entity 1 MiB (two bytes a character). */
const PROPERTY_LENGTH_MAX = 32_000;
const PROPERTIES_MAX = 15;

/** A body too large for one entity. */
export class BodyTooLarge extends Error {
  readonly code = 'BodyTooLarge';
  constructor(length: number) {
    super(`${length} characters exceed ${PROPERTY_LENGTH_MAX * PROPERTIES_MAX} in one row`);
    this.name = 'BodyTooLarge';
  }
}

/** Spreads a text over the properties `body0`, `body1`, …, never through a surrogate pair: half of one is not UTF-8. */
export function splitBody(text: string): Readonly<Record<string, string>> {
  const parts: Record<string, string> = {};
  let start = 0;
  for (let index = 0; index === 0 || start < text.length; index += 1) {
    if (index === PROPERTIES_MAX) throw new BodyTooLarge(text.length);
    const end = cutAt(text, start + PROPERTY_LENGTH_MAX);
    parts[`body${index}`] = text.slice(start, end);
    start = end;
  }
  return parts;
}

function cutAt(text: string, wanted: number): number {
  if (wanted >= text.length) return text.length;
  const code = text.charCodeAt(wanted - 1);
  const isHighSurrogate = code >= 0xd8_00 && code <= 0xdb_ff;
  return isHighSurrogate ? wanted - 1 : wanted;
}

export function joinBody(entity: Readonly<Record<string, unknown>>): string {
  let text = '';
  for (let index = 0; index < PROPERTIES_MAX; index += 1) {
    const part = entity[`body${index}`];
    if (typeof part !== 'string') break;
    text += part;
  }
  return text;
}
