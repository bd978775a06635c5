import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ArmStack } from '../support/arm-stack.ts';
import { startContractStack } from './every-operation/contract-stack.ts';
import { catalogueCoverage, provokeErrors } from './every-operation/error-catalogue.ts';
import {
  compatibilityPage,
  coverageTable,
  type Findings,
  idleExceptions,
  unexplainedExamples,
  unexplainedViolations,
} from './every-operation/report.ts';
import { createSuite, hasRoute, runExamples, runMutations, type Suite } from './every-operation/runs.ts';
import { OPERATIONS } from './every-operation/specifications.ts';

const SERVICES = ['accounts', 'metadata', 'encoding', 'streaming'] as const;
const PAGE = new URL('../../../docs/compatibility.md', import.meta.url);
const RUN_MS_MAX = 300_000;

let stack: ArmStack;
let suite: Suite;
let findings: Findings;
/** What went wrong without an answer that says so. */
const problems: string[] = [];

beforeAll(async () => {
  stack = await startContractStack();
  suite = createSuite(stack);
  findings = await examine();
  process.stdout.write(`${coverageTable(findings)}\n`);
}, RUN_MS_MAX);

afterAll(async () => {
  suite?.caller.close();
  await stack?.close();
}, 60_000);

/** The services' resources have names of their own, so that they are walked side by side. */
async function examine(): Promise<Findings> {
  const missing: string[] = [];
  for (const operation of OPERATIONS) {
    if (!(await hasRoute(suite, operation))) missing.push(`${operation.id} ${operation.version}`);
  }
  const runs = await Promise.all(SERVICES.map((service) => runExamples(suite, service)));
  const mutated = await Promise.all(SERVICES.map((service) => runMutations(suite, service)));
  await provokeErrors(suite).catch((error: unknown) => problems.push(String(error)));
  return {
    missing,
    runs: runs.flat(),
    mutations: {
      count: mutated.reduce((sum, { count }) => sum + count, 0),
      wrong: mutated.flatMap(({ wrong }) => wrong),
    },
    seen: suite.caller.seen,
    errors: catalogueCoverage(suite.caller.seen.refusals),
  };
}

describe('every operation of the specifications', () => {
  it('has a route', () => expect(findings.missing).toEqual([]));

  it('accepts its examples, or refuses them for a reason that is listed', () =>
    expect(unexplainedExamples(findings.runs)).toEqual([]));

  it('answers as its schema says, but for what is listed', () =>
    expect(unexplainedViolations(findings.seen.violations)).toEqual([]));

  it('refuses fields that it does not know or that have the wrong type, by their names', () => {
    expect(findings.mutations.count).toBeGreaterThan(200);
    expect(findings.mutations.wrong).toEqual([]);
  });
});

it('has nothing fail inside', () => {
  const failures = stack.engine
    .log()
    .split('\n')
    .filter((line) => line.includes('"arm.failed"'));
  expect([...problems, ...failures]).toEqual([]);
});

describe('what is written down', () => {
  it('names no exception that nothing needs', () => expect(idleExceptions(findings)).toEqual([]));

  it('every error of the catalogue can be met, but for what is listed', () =>
    expect(findings.errors.unexplained).toEqual([]));

  it('docs/compatibility.md is what was found (UPDATE_COMPATIBILITY=1 rewrites it)', () => {
    const page = compatibilityPage(findings);
    if (process.env['UPDATE_COMPATIBILITY'] === '1') writeFileSync(PAGE, page);
    expect(readFileSync(PAGE, 'utf8')).toBe(page);
  });
});
