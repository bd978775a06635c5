/** Route templates of HTTP triggers, as ASP.NET reads them: literals, `{id}`, `{id:int?}`, `{id=1}`, `{*rest}`. */

export interface Route {
  readonly functionName: string;
  readonly template: string;
  readonly methods: readonly string[];
  readonly pattern: RegExp;
  readonly parameters: readonly Parameter[];
}

interface Parameter {
  readonly name: string;
  readonly fallback: string | undefined;
  readonly tests: readonly ((value: string) => boolean)[];
}

const TEMPLATE_LENGTH_MAX = 1024;
const PATH_LENGTH_MAX = 8192;

const CONSTRAINTS: Readonly<Record<string, (argument: string) => (value: string) => boolean>> = {
  int: () => (value) => /^[+-]?\d{1,10}$/.test(value) && Math.abs(Number(value)) <= 2 ** 31 - 1,
  long: () => (value) => /^[+-]?\d{1,19}$/.test(value),
  bool: () => (value) => /^(true|false)$/i.test(value),
  guid: () => (value) => /^\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$/i.test(value),
  alpha: () => (value) => /^[a-z]*$/i.test(value),
  decimal: () => (value) => /^[+-]?\d+(\.\d+)?$/.test(value),
  datetime: () => (value) => !Number.isNaN(Date.parse(value)),
  length: (argument) => {
    const [min = 0, max = min] = argument.split(',').map(Number);
    return (value) => value.length >= min && value.length <= max;
  },
  minlength: (argument) => (value) => value.length >= Number(argument),
  maxlength: (argument) => (value) => value.length <= Number(argument),
  min: (argument) => (value) => Number(value) >= Number(argument),
  max: (argument) => (value) => Number(value) <= Number(argument),
  range: (argument) => {
    const [min = 0, max = min] = argument.split(',').map(Number);
    return (value) => Number(value) >= min && Number(value) <= max;
  },
  regex: (argument) => {
    const pattern = new RegExp(argument.replaceAll('{{', '{').replaceAll('}}', '}'), 'i');
    return (value) => pattern.test(value);
  },
};

/** A function's route, without a leading slash; throws for a template that makes no sense. */
export function parseRoute(functionName: string, template: string, methods: readonly string[]): Route {
  if (template.length > TEMPLATE_LENGTH_MAX) {
    throw new Error(`route of ${template.length} characters exceeds ${TEMPLATE_LENGTH_MAX}`);
  }
  const parameters: Parameter[] = [];
  const segments = template.replace(/^\/|\/$/g, '').split(/\/(?![^{]*\})/);
  const source = segments
    .filter((segment) => segment !== '')
    .map((segment) => segmentSource(segment, parameters))
    .join('');
  return {
    functionName,
    template,
    methods: methods.map((method) => method.toUpperCase()),
    pattern: new RegExp(`^${source}/?$`, 'i'),
    parameters,
  };
}

function segmentSource(segment: string, parameters: Parameter[]): string {
  const whole = /^\{(\*{0,2})([^{}]|\{\{|\}\}|\{\d[^}]*\})+\}$/.exec(segment);
  if (whole !== null) {
    const inner = segment.slice(1, -1);
    const isCatchAll = inner.startsWith('*');
    const { parameter, isOptional } = parseParameter(inner.replace(/^\*+/, ''));
    parameters.push(parameter);
    if (isCatchAll) return '(?:/(.*))?';
    return isOptional || parameter.fallback !== undefined ? '(?:/([^/]+))?' : '/([^/]+)';
  }
  const mixed = segment.split(/(\{[^{}]+\})/).map((part) => {
    if (!part.startsWith('{')) return escapeRegExp(part);
    const { parameter, isOptional } = parseParameter(part.slice(1, -1));
    parameters.push(parameter);
    return isOptional ? '([^/]+?)?' : '([^/]+?)';
  });
  return `/${mixed.join('')}`;
}

function parseParameter(text: string): { parameter: Parameter; isOptional: boolean } {
  const isOptional = text.endsWith('?');
  const body = isOptional ? text.slice(0, -1) : text;
  const found = /^([^:=]+)((?::[^=(]+(?:\((?:.*)\))?)*)(?:=(.*))?$/.exec(body);
  if (found === null) throw new Error(`"{${text}}" is not a route parameter`);
  const [, name = '', constraints = '', fallback] = found;
  const tests = [...constraints.matchAll(/:([a-z]+)(?:\((.*?)\)(?=:|$))?/gi)].map(
    ([, kind = '', argument = '']) => {
      const make = CONSTRAINTS[kind.toLowerCase()];
      if (make === undefined) throw new Error(`"${kind}" is not a route constraint`);
      return make(argument);
    },
  );
  return { parameter: { name, fallback, tests }, isOptional };
}

/**
 * The first route that takes the method and the path. The real host tries functions in the alphabetical order of their
 * names, not the most specific first (FunctionMetadataManager.cs), so the table must be sorted by name.
 */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; params: Record<string, string> } | undefined {
  if (path.length > PATH_LENGTH_MAX) return undefined;
  for (const route of routes) {
    if (!route.methods.includes(method)) continue;
    const found = route.pattern.exec(path);
    const params = found === null ? undefined : readParams(route, found);
    if (params !== undefined) return { route, params };
  }
  return undefined;
}

function readParams(route: Route, found: RegExpExecArray): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [index, { name, fallback, tests }] of route.parameters.entries()) {
    const raw = found[index + 1];
    if (raw === undefined || raw === '') {
      if (fallback !== undefined) params[name] = fallback;
      continue;
    }
    const value = decode(raw);
    if (value === undefined || !tests.every((test) => test(value))) return undefined;
    params[name] = value;
  }
  return params;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
