import fc from 'fast-check';

const LONG_TEXT_CHARS = 20_000;
const CHANGES_MAX = 3;

/** Values that no field expects. */
const odd: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  null,
  '',
  ' ',
  '\u0000',
  '\ud800',
  '..',
  '../../x',
  "'; drop",
  'x'.repeat(LONG_TEXT_CHARS),
  '9999-12-31T23:59:59.9999999Z',
  '0001-01-01T00:00:00Z',
  'P99999999999D',
  'PT0S',
  '00000000-0000-0000-0000-000000000000',
  '#Microsoft.Media.JobInputs',
  '#Microsoft.Media.Video',
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  2 ** 63,
  1e308,
  true,
  false,
  [],
  {},
  [null],
  [[[[]]]],
  JSON.parse('{"__proto__": {"a": 1}, "constructor": {"prototype": {}}}'),
);

const anything: fc.Arbitrary<unknown> = fc.oneof(
  odd,
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary' }),
);

type Change = (body: unknown) => unknown;

/** Something wrong at some place of a body, of whatever shape it is. */
const change: fc.Arbitrary<Change> = fc
  .record({
    place: fc.nat(),
    value: anything,
    kind: fc.constantFrom('replace', 'remove', 'add', 'repeat'),
    name: fc.oneof(
      fc.string(),
      fc.constantFrom('__proto__', 'properties', '@odata.type', 'id', 'constructor'),
    ),
  })
  .map(({ place, value, kind, name }) => (body) => {
    const paths = pathsIn(body);
    const path = paths[place % paths.length] ?? [];
    return changed(body, path, (old) => {
      if (kind === 'remove') return undefined;
      if (kind === 'repeat' && Array.isArray(old)) return [...old, ...old, ...old];
      if (kind === 'add' && typeof old === 'object' && old !== null && !Array.isArray(old)) {
        return { ...old, [name]: value };
      }
      return value;
    });
  });

/** A body out of an example's: a few things changed, or another altogether. */
export const hostileBody: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(change, { minLength: 1, maxLength: CHANGES_MAX }).map(
      (changes): Change =>
        (body) =>
          changes.reduce((sum, apply) => apply(sum), body),
    ),
  },
  {
    weight: 1,
    arbitrary: anything.map(
      (value): Change =>
        () =>
          value,
    ),
  },
);

const words = fc.constantFrom(
  'name',
  'properties/created',
  'properties/state',
  'properties/assetId',
  'eq',
  'gt',
  'ne',
  'and',
  'or',
  'not',
  '(',
  ')',
  "'a'",
  "''",
  "'",
  '2020-01-01',
  'Microsoft.Media.JobState',
  'null',
  '1',
  'desc',
  ',',
  '\u0000',
);

const queryText = fc.oneof(
  fc.array(words, { maxLength: 12 }).map((parts) => parts.join(' ')),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.constantFrom('(', '('.repeat(1_000), `name eq '${'x'.repeat(1_000)}'`, '-1', '0', '1', '1e9', 'true'),
);

/** Query options, sensible and not. */
export const hostileQuery: fc.Arbitrary<Record<string, string>> = fc.dictionary(
  fc.constantFrom('$filter', '$orderby', '$top', '$skiptoken', 'autoStart', '$skip', 'x'),
  queryText,
  { maxKeys: 3 },
);

type Path = readonly (string | number)[];

function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const inner = Array.isArray(value)
    ? value.flatMap((item, index) => pathsIn(item, [...path, index]))
    : Object.entries(value).flatMap(([key, item]) => pathsIn(item, [...path, key]));
  return [path, ...inner];
}

function changed(body: unknown, [first, ...rest]: Path, change: (old: unknown) => unknown): unknown {
  if (first === undefined) return change(body);
  if (Array.isArray(body)) {
    return body.map((item, index) => (index === first ? changed(item, rest, change) : item));
  }
  const inner: unknown = Reflect.get(Object(body), first);
  return { ...Object(body), [first]: changed(inner, rest, change) };
}
