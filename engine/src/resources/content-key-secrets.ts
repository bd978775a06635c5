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

const WIDEVINE_TEMPLATE = 'widevineTemplate';

/** The same with null in place of every secret, as answers show it (reference §1.2). */
export function hiddenSecrets(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [
      name,
      SECRET_FIELDS.has(name) ? null : hidden(name, entry),
    ]),
  );
}

function hidden(name: string, value: unknown): unknown {
  if (name === WIDEVINE_TEMPLATE && typeof value === 'string') return withoutKeys(value);
  if (Array.isArray(value)) return value.map((entry) => hidden(name, entry));
  return typeof value === 'object' && value !== null
    ? hiddenSecrets(Object.fromEntries(Object.entries(value)))
    : value;
}

/** A Widevine template may bring content keys (`content_key_specs[].key`); one without is shown as it was written. */
function withoutKeys(template: string): string {
  let hasKeys = false;
  const shown: unknown = JSON.parse(template, (name, value: unknown) => {
    if (name !== 'key' || value === null) return value;
    hasKeys = true;
    return null;
  });
  return hasKeys ? JSON.stringify(shown) : template;
}
