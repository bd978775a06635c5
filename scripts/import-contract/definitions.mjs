import { dirname, join } from 'node:path';

/** Reads the definitions of one api-version across its documents and the common types they refer to. */
export function createReader(files, load) {
  const own = files.flatMap((file) =>
    Object.entries(load(file).definitions ?? {}).map(([name, schema]) => describe(name, schema, file)),
  );

  function describe(name, schema, file) {
    return { name, schema, file, discriminatorValue: schema['x-ms-discriminator-value'] };
  }

  /** A reference's definition, or the schema itself when it is none. */
  function resolve(schema, file) {
    if (schema.$ref === undefined) return { schema, file };
    const [path, pointer] = schema.$ref.split('#');
    const target = path === '' ? file : join(dirname(file), path);
    const [, kind, name] = pointer.split('/');
    const found = load(target)[kind][name];
    if (found === undefined) throw new Error(`${schema.$ref} leads nowhere`);
    return describe(name, found, target);
  }

  const parentsOf = (found) => (found.schema.allOf ?? []).map((base) => resolve(base, found.file));

  /** Names of everything that a definition extends. */
  function basesOf(found) {
    return parentsOf(found).flatMap((parent) => [parent.name, ...basesOf(parent)]);
  }

  /** Properties with those of its bases, bases first; a definition's own win. */
  function propertiesOf(found) {
    const byName = new Map(
      parentsOf(found)
        .flatMap(propertiesOf)
        .map((property) => [property.property, property]),
    );
    const required = new Set([
      ...(found.schema.required ?? []),
      ...[...byName.values()].filter((property) => property.required).map(({ property }) => property),
    ]);
    for (const [property, schema] of Object.entries(found.schema.properties ?? {})) {
      byName.set(property, { property, schema, file: found.file, owner: found.name });
    }
    return [...byName.values()].map((property) => ({
      ...property,
      required: required.has(property.property),
    }));
  }

  /** Whether other definitions of this service build on the definition. */
  const isExtended = (name) => own.some((found) => basesOf(found).includes(name));

  /** The concrete forms of a definition that is told apart by `@odata.type`; undefined for any other. */
  function membersOf(name) {
    const self = own.find((found) => found.name === name);
    if (self === undefined) return undefined;
    const isTold =
      self.schema.discriminator !== undefined ||
      own.some((found) => found.discriminatorValue !== undefined && basesOf(found).includes(name));
    if (!isTold) return undefined;
    const isForm = (found) => found.name === name || basesOf(found).includes(name);
    return own.filter((found) => found.discriminatorValue !== undefined && isForm(found));
  }

  /** Every operation with its method, path template and document. */
  function operations() {
    return files.flatMap((file) =>
      Object.entries(load(file).paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => ({ file, path, method, operation })),
      ),
    );
  }

  /** The definitions of request bodies, each once. */
  function bodies() {
    const byName = new Map();
    for (const { file, method, operation } of operations()) {
      const body = (operation.parameters ?? []).find((parameter) => parameter.in === 'body');
      if (body === undefined) continue;
      const found = resolve(body.schema, file);
      const isPatched = method === 'patch' || byName.get(found.name)?.isPatched === true;
      byName.set(found.name, { ...found, isPatched });
    }
    return [...byName.values()];
  }

  return { resolve, basesOf, propertiesOf, isExtended, membersOf, operations, bodies };
}
