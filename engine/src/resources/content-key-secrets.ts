/** The fields of options that only `getPolicyPropertiesWithSecrets` shows. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'keyValue',
  'exponent',
  'modulus',
  'rawBody',
  'ask',
  'fairPlayPfx',
  'fairPlayPfxPassword',
]);

/** The same with null in place of every secret, as answers show it (reference §1.2). */
export function hiddenSecrets(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, SECRET_FIELDS.has(name) ? null : hidden(entry)]),
  );
}

function hidden(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hidden);
  return typeof value === 'object' && value !== null
    ? hiddenSecrets(Object.fromEntries(Object.entries(value)))
    : value;
}
