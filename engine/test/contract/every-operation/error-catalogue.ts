import { ERROR_CATALOGUE, type ErrorName } from '../../../src/resources/error-catalogue.ts';
import type { Suite } from './runs.ts';

/** Errors that no request alone can provoke, with the reason. */
const NOT_PROVOKED: Readonly<Partial<Record<ErrorName, string>>> = {};

const HOLE = '\u0001';

/** The errors of the catalogue that some refusal (`code message`) was. */
export function catalogueCoverage(refusals: ReadonlySet<string>) {
  const all = Object.keys(ERROR_CATALOGUE) as readonly ErrorName[]; // the catalogue's own keys
  const provoked = all.filter((name) => [...refusals].some((refusal) => patternOf(name).test(refusal)));
  const unexplained = all.filter((name) => !provoked.includes(name) && NOT_PROVOKED[name] === undefined);
  return { all, provoked, unexplained };
}

function patternOf(name: ErrorName): RegExp {
  const entry: { code?: string; message(about: object): string } = ERROR_CATALOGUE[name];
  const message = entry.message(new Proxy({}, { get: () => HOLE }));
  const literal = `${entry.code ?? name} ${message}`.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${literal.replaceAll(HOLE, '.*')}$`, 's');
}

/** Calls that are refused, each for another entry of the catalogue. */
export async function provokeErrors(_suite: Suite): Promise<void> {}
