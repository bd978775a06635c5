import { createReader } from './definitions.mjs';

const SEPARATOR = '\n';

/** Paths of every request body (through arrays and every form of a union), each as one text. */
function bodyPaths(files, load) {
  const reader = createReader(files, load);
  return new Set(reader.bodies().flatMap((body) => pathsBelow(reader, body, [], [])));
}

function pathsBelow(reader, found, path, stack) {
  if (stack.includes(found.name)) return [];
  const forms = reader.membersOf(found.name) ?? [found];
  return forms.flatMap((form) =>
    reader.propertiesOf(form).flatMap(({ property, schema, file }) => {
      const at = [...path, property];
      const next = reader.resolve(schema.items ?? schema, file);
      const below = next.name === undefined ? [] : pathsBelow(reader, next, at, [...stack, found.name]);
      return [at.join(SEPARATOR), ...below];
    }),
  );
}

/** What the newer of a service's api-versions added to its request bodies: the outermost path of each. */
export function addedLater(versions, load) {
  const known = versions.map(({ version, files }) => ({ version, paths: bodyPaths(files, load) }));
  return known.slice(1).flatMap(({ version, paths }, index) => {
    const fresh = [...paths].filter((path) => !known[index].paths.has(path));
    const isOutermost = (path) => !fresh.some((other) => path.startsWith(other + SEPARATOR));
    return fresh.filter(isOutermost).map((path) => ({ path: path.split(SEPARATOR), since: version }));
  });
}
