import { createReader } from './definitions.mjs';

/** Paths of request bodies, arrays as `[]`, with every form of a union. */
function bodyPaths(files, load) {
  const reader = createReader(files, load);
  const paths = new Set();
  const walk = (found, path, stack) => {
    if (stack.includes(found.name)) return;
    const forms = reader.membersOf(found.name) ?? [found];
    for (const form of forms) {
      for (const { property, schema, file } of reader.propertiesOf(form)) {
        const isArray = schema.type === 'array';
        const at = [...path, property, ...(isArray ? ['[]'] : [])];
        paths.add(at.join('\n'));
        const next = reader.resolve(isArray ? schema.items : schema, file);
        if (next.name !== undefined) walk(next, at, [...stack, found.name, form.name]);
      }
    }
  };
  for (const body of reader.bodies()) walk(body, [], []);
  return paths;
}

/** What the newer of a service's api-versions added to its request bodies: the outermost path of each. */
export function addedLater(versions, load) {
  const known = versions.map(({ version, files }) => ({ version, paths: bodyPaths(files, load) }));
  const later = [];
  for (let index = 1; index < known.length; index += 1) {
    const before = known[index - 1].paths;
    const fresh = [...known[index].paths].filter((path) => !before.has(path));
    for (const path of fresh) {
      const isInside = fresh.some((other) => other !== path && path.startsWith(`${other}\n`));
      if (!isInside) {
        later.push({ path: path.split('\n').filter((part) => part !== '[]'), since: known[index].version });
      }
    }
  }
  return later;
}
