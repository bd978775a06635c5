import { type Example, type Operation, type Schema, schemasOf } from './specifications.ts';

const UNKNOWN_FIELD = 'unheardOf';

/** An example's body with one thing wrong, and the name of the field that a refusal has to mention. */
export interface Mutation {
  readonly kind: 'unknown' | 'wrongType';
  readonly field: string;
  readonly body: unknown;
}

/** Every object of the body with a field that nobody knows, every field with a value of another type. */
export function mutationsOf(operation: Operation, example: Example, body: unknown): Mutation[] {
  if (operation.body === undefined) return [];
  const schemas = schemasOf(example.service, example.version);
  const places = placesIn(schemas, operation.body.schema, body, []);
  return places.map(({ path, kind, value }) => ({
    kind,
    field: fieldName(path),
    body: withValue(body, path, value),
  }));
}

type Path = readonly (string | number)[];
type Schemas = ReturnType<typeof schemasOf>;

interface Place {
  readonly path: Path;
  readonly kind: Mutation['kind'];
  readonly value: unknown;
}

function placesIn(schemas: Schemas, schema: Schema, value: unknown, path: Path): Place[] {
  const plain = resolved(schemas, schema, value);
  if (plain.readOnly === true || value === null || value === undefined) return [];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => placesIn(schemas, plain.items ?? {}, item, [...path, index]));
  }
  if (typeof value !== 'object') return [];
  const isClosed = plain.additionalProperties === false;
  const unknown: Place[] = isClosed ? [{ path: [...path, UNKNOWN_FIELD], kind: 'unknown', value: 1 }] : [];
  const fields = Object.entries(value).flatMap(([key, item]) => {
    const field = plain.properties?.[key];
    if (field === undefined || field.readOnly === true || field.const !== undefined) return [];
    const at = [...path, key];
    return [wrongType(schemas, field, item, at), ...placesIn(schemas, field, item, at)];
  });
  return [...unknown, ...fields];
}

function wrongType(schemas: Schemas, schema: Schema, value: unknown, path: Path): Place {
  const { type } = resolved(schemas, schema, value);
  const wrong = type === 'string' ? 4711 : 'nonsense';
  return { path, kind: 'wrongType', value: wrong };
}

/** The schema behind a reference; of a union, the form that the value is. */
function resolved(schemas: Schemas, schema: Schema, value: unknown): Schema {
  if (schema.$ref !== undefined) {
    return resolved(schemas, schemas[schema.$ref.replace('#/$defs/', '')] ?? {}, value);
  }
  if (schema.oneOf === undefined) return schema;
  const told: unknown = Reflect.get(Object(value), '@odata.type');
  const forms = schema.oneOf.map((form) => resolved(schemas, form, value));
  return forms.find((form) => form.properties?.['@odata.type']?.const === told) ?? {};
}

const fieldName = (path: Path): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
    .join('')
    .slice(1);

function withValue(body: unknown, [first, ...rest]: Path, value: unknown): unknown {
  if (first === undefined) return value;
  if (Array.isArray(body)) {
    return body.map((item, index) => (index === first ? withValue(item, rest, value) : item));
  }
  const inner: unknown = Reflect.get(Object(body), first);
  return { ...Object(body), [first]: withValue(inner, rest, value) };
}
