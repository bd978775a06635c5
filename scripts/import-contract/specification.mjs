import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createReader } from './definitions.mjs';

/** What a JSON schema and an OpenAPI schema share, without prose. */
const KEPT = [
  'type',
  'format',
  'enum',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'pattern',
  'readOnly',
];

/** Operations, JSON schemas and examples of all api-versions of a service; what two versions share stands there once. */
export function specification(versions, load) {
  const known = versions.map(({ version, files }) => ({ version, ...factsOf(files, load) }));
  const newest = known.at(-1);
  return {
    versions: known.map(({ version }) => version),
    operations: merged(known, 'operations'),
    schemas: newest.schemas,
    olderSchemas: Object.fromEntries(
      known.slice(0, -1).map(({ version, schemas }) => [version, differing(schemas, newest.schemas)]),
    ),
    examples: merged(known, 'examples'),
  };
}

/** Equal facts of several versions as one, with the versions that it holds for. */
function merged(known, kind) {
  const byText = new Map();
  for (const { version, [kind]: facts } of known) {
    for (const fact of facts) {
      const text = JSON.stringify(fact);
      byText.set(text, { ...fact, versions: [...(byText.get(text)?.versions ?? []), version] });
    }
  }
  return [...byText.values()];
}

/** Schemas of an older version that are not as they are in the newest; null where there is none. */
function differing(schemas, newest) {
  const names = new Set([...Object.keys(schemas), ...Object.keys(newest)]);
  return Object.fromEntries(
    [...names]
      .filter((name) => JSON.stringify(schemas[name]) !== JSON.stringify(newest[name]))
      .map((name) => [name, schemas[name] ?? null]),
  );
}

function factsOf(files, load) {
  const reader = createReader(files, load);
  const schemas = {};
  const context = { reader, schemas };
  const operations = reader.operations().map((entry) => operationFacts(context, entry));
  const examples = reader
    .operations()
    .flatMap(({ file, operation }) =>
      Object.entries(operation['x-ms-examples'] ?? {}).map(([, { $ref }]) =>
        exampleFacts(reader, file, operation, $ref),
      ),
    );
  return { operations, examples, schemas };
}

function operationFacts(context, { file, path, method, operation }) {
  const parameters = (operation.parameters ?? []).map(
    (parameter) => context.reader.resolve(parameter, file).schema,
  );
  const body = (operation.parameters ?? []).find((parameter) => parameter.in === 'body');
  const isRequired = ({ required }) => required === true;
  return {
    id: operation.operationId,
    method: method.toUpperCase(),
    path,
    query: parameters
      .filter((parameter) => parameter.in === 'query' && parameter.name !== 'api-version')
      .map(({ name, type, required }) => ({ name, type, isRequired: required === true })),
    ...(body === undefined
      ? {}
      : { body: { schema: schemaOf(context, body.schema, file), isRequired: isRequired(body) } }),
    answers: Object.fromEntries(
      Object.entries(operation.responses).map(([status, { schema }]) => [
        status,
        schema === undefined ? null : schemaOf(context, schema, file),
      ]),
    ),
    isLongRunning: operation['x-ms-long-running-operation'] === true,
    isPaged: operation['x-ms-pageable'] !== undefined,
  };
}

/** As JSON schema (draft 2020-12) with references to `#/$defs/<definition>`. */
function schemaOf(context, schema, file) {
  const found = context.reader.resolve(schema, file);
  if (found.name !== undefined) return reference(context, found);
  if (schema.type === 'array') return { type: 'array', items: schemaOf(context, schema.items, file) };
  if (schema.properties !== undefined) {
    return objectSchema(context, { name: 'inline', schema, file });
  }
  const facts = Object.fromEntries(
    KEPT.filter((key) => schema[key] !== undefined).map((key) => [key, schema[key]]),
  );
  return schema.additionalProperties === undefined
    ? facts
    : { ...facts, additionalProperties: schemaOf(context, schema.additionalProperties, file) };
}

function reference(context, found) {
  const { reader, schemas } = context;
  if (found.schema.properties === undefined && found.schema.allOf === undefined) {
    return schemaOf(context, found.schema, found.file);
  }
  const $ref = `#/$defs/${found.name}`;
  if (schemas[found.name] !== undefined) return { $ref };
  const members = reader.membersOf(found.name);
  // Kept free for what refers to itself.
  schemas[found.name] = {};
  schemas[found.name] =
    members === undefined
      ? objectSchema(context, found)
      : { oneOf: members.map((member) => form(context, member)) };
  return { $ref };
}

function form(context, member) {
  const { reader, schemas } = context;
  const name = reader.isExtended(member.name) ? `${member.name}Itself` : member.name;
  schemas[name] ??= objectSchema(context, member);
  return { $ref: `#/$defs/${name}` };
}

function objectSchema(context, found) {
  const properties = context.reader.propertiesOf(found);
  return {
    type: 'object',
    properties: Object.fromEntries(
      properties.map(({ property, schema, file }) => [
        property,
        property === '@odata.type' && found.discriminatorValue !== undefined
          ? { const: found.discriminatorValue }
          : propertySchema(context, schema, file),
      ]),
    ),
    required: properties.filter(({ required }) => required).map(({ property }) => property),
    additionalProperties: false,
  };
}

function propertySchema(context, schema, file) {
  const plain = schemaOf(context, schema, file);
  return schema.readOnly === true ? { ...plain, readOnly: true } : plain;
}

/** Names of the account and its addresses are ours to choose. */
const OURS = ['subscriptionId', 'resourceGroupName', 'accountName', 'api-version'];

function exampleFacts(reader, file, operation, reference) {
  const names = (operation.parameters ?? [])
    .map((parameter) => reader.resolve(parameter, file).schema)
    .filter((parameter) => ['path', 'query'].includes(parameter.in) && !OURS.includes(parameter.name))
    .map(({ name }) => name);
  const { parameters, responses } = JSON.parse(readFileSync(join(dirname(file), reference), 'utf8'));
  const bodyName = (operation.parameters ?? []).find((parameter) => parameter.in === 'body')?.name;
  const { [bodyName]: body } = parameters;
  return {
    operation: operation.operationId,
    name: reference.replace(/^.*\/|\.json$/g, ''),
    parameters: Object.fromEntries(Object.entries(parameters).filter(([key]) => names.includes(key))),
    ...(body === undefined ? {} : { body: withoutProse(body) }),
    answers: Object.fromEntries(
      Object.entries(responses).map(([status, answer]) => [status, withoutProse(answer.body ?? null)]),
    ),
  };
}

const PROSE_FIELDS = ['description', 'displayName', 'displayDescription', 'message', 'actionsRequired'];
const NEUTRAL_TEXT = 'text';

/** The value without free text: descriptions, and whatever else has the look of a sentence. */
function withoutProse(value, field = '') {
  if (Array.isArray(value)) return value.map((item) => withoutProse(item, field));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutProse(item, key)]));
  }
  if (typeof value !== 'string') return value;
  const isDocument = /^[<{[]/.test(value);
  const isSentence = !isDocument && value.split(' ').length > 3;
  return isSentence || PROSE_FIELDS.includes(field) ? NEUTRAL_TEXT : value;
}
