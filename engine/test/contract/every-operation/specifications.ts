import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

const SERVICES = ['accounts', 'metadata', 'encoding', 'streaming'] as const;
export type Service = (typeof SERVICES)[number];
export type Method = 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';

/** JSON schema, as far as the suite looks into it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly readOnly?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | false;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
}

interface OperationFacts {
  readonly id: string;
  readonly method: Method;
  readonly path: string;
  readonly query: readonly { readonly name: string; readonly type: string }[];
  readonly body?: { readonly schema: Schema };
  /** By status; `default` is the answer to what is refused; null where there is no body. */
  readonly answers: Readonly<Record<string, Schema | null>>;
  readonly isLongRunning: boolean;
  readonly isPaged: boolean;
}

interface ExampleFacts {
  readonly operation: string;
  readonly name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly answers: Readonly<Record<string, unknown>>;
}

interface ServiceFacts {
  readonly versions: readonly string[];
  readonly operations: readonly (OperationFacts & { readonly versions: readonly string[] })[];
  readonly examples: readonly (ExampleFacts & { readonly versions: readonly string[] })[];
  readonly schemas: Readonly<Record<string, Schema>>;
  readonly olderSchemas: Readonly<Record<string, Readonly<Record<string, Schema | null>>>>;
}

export interface Operation extends OperationFacts {
  readonly service: Service;
  readonly version: string;
}

export interface Example extends ExampleFacts {
  readonly service: Service;
  readonly version: string;
}

const facts = SERVICES.map((service) => {
  const url = new URL(`../specification/${service}.json`, import.meta.url);
  const read: ServiceFacts = JSON.parse(readFileSync(url, 'utf8'));
  return { service, ...read };
});

/** One per operation and api-version, in the order of the specification. */
export const OPERATIONS: readonly Operation[] = facts.flatMap(({ service, operations }) =>
  operations.flatMap(({ versions, ...operation }) =>
    versions.map((version) => ({ ...operation, service, version })),
  ),
);

/** One per example and api-version. */
export const EXAMPLES: readonly Example[] = facts.flatMap(({ service, examples }) =>
  examples.flatMap(({ versions, ...example }) =>
    versions.map((version) => ({ ...example, service, version })),
  ),
);

export const newestVersion = (service: Service): string =>
  facts.find((found) => found.service === service)?.versions.at(-1) ?? '';

export function operationOf(id: string, version: string): Operation {
  const found = OPERATIONS.find((operation) => operation.id === id && operation.version === version);
  if (found === undefined) throw new Error(`the specification knows no ${id} in ${version}`);
  return found;
}

/** The schemas of one api-version of a service by their names. */
export function schemasOf(service: Service, version: string): Readonly<Record<string, Schema>> {
  const found = facts.find((candidate) => candidate.service === service);
  const merged = { ...found?.schemas, ...found?.olderSchemas[version] };
  return Object.fromEntries(
    Object.entries(merged).flatMap(([name, schema]) => (schema === null ? [] : [[name, schema]])),
  );
}

/** Templates differ in the letter case of `mediaServices` only; ARM does not look at it. */
const matchers = OPERATIONS.map((operation) => ({
  operation,
  pattern: new RegExp(`^${operation.path.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`, 'i'),
}));

/** The operation that a call is; undefined when no specification knows it. */
export function operationAt(method: string, path: string, version: string): Operation | undefined {
  return matchers.find(
    ({ operation, pattern }) =>
      operation.method === method && operation.version === version && pattern.test(path),
  )?.operation;
}

const ajv = new Ajv({ strict: false, allErrors: true, discriminator: true });
formats.default(ajv);
// ajv-formats' own knows no fractions of a second.
ajv.addFormat('duration', /^P(?=\d|T\d)(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/);
const validators = new Map<string, ValidateFunction>();

/** For Ajv: a union is told by its discriminator; with `nullable` every field may be null. */
function compilable(schema: Schema, nullable: boolean): object {
  const { oneOf, properties, items, additionalProperties, ...rest } = schema;
  const inner = (part: Schema) => compilable(part, nullable);
  const field = (part: Schema) => (nullable ? { anyOf: [{ type: 'null' }, inner(part)] } : inner(part));
  return {
    ...rest,
    ...(oneOf === undefined ? {} : unionOf(oneOf.map(inner))),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([key, part]) => [
              key,
              part.const === undefined ? field(part) : part,
            ]),
          ),
        }),
    ...(items === undefined ? {} : { items: inner(items) }),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: additionalProperties && inner(additionalProperties) }),
  };
}

const unionOf = (oneOf: readonly object[]): object => ({
  type: 'object',
  discriminator: { propertyName: '@odata.type' },
  required: ['@odata.type'],
  oneOf,
});

/** What a value does not keep of a schema of this service and api-version, each as `path problem`. */
export function violations(
  { service, version }: Operation,
  schema: Schema,
  value: unknown,
  nullable: boolean,
): string[] {
  const key = `${service} ${version} ${nullable} ${JSON.stringify(schema)}`;
  let validate = validators.get(key);
  if (validate === undefined) {
    const $defs = Object.entries(schemasOf(service, version)).map(([name, part]) => [
      name,
      compilable(part, nullable),
    ]);
    validate = ajv.compile({ ...compilable(schema, nullable), $defs: Object.fromEntries($defs) });
    validators.set(key, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const unknown: unknown = params['additionalProperty'];
    return `${instancePath || '/'} ${message ?? ''}${unknown === undefined ? '' : `: ${String(unknown)}`}`;
  });
}
