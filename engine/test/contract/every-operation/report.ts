import type { Caller, Violation } from './caller.ts';
import { DIFFERING_ANSWERS, type Exception, KNOWN_DIFFERENCES, REFUSED_EXAMPLES } from './exceptions.ts';
import type { ExampleRun, WrongRefusal } from './runs.ts';
import { OPERATIONS, type Operation, type Service } from './specifications.ts';

export interface Findings {
  /** `id version` of operations without a route. */
  readonly missing: readonly string[];
  readonly runs: readonly ExampleRun[];
  readonly mutations: { readonly count: number; readonly wrong: readonly WrongRefusal[] };
  readonly seen: Caller['seen'];
  readonly errors: {
    readonly provoked: readonly string[];
    readonly all: readonly string[];
    readonly unexplained: readonly string[];
  };
}

const matching = (exceptions: readonly Exception[], operation: string, said: string): Exception | undefined =>
  exceptions.find((exception) => exception.operation.test(operation) && exception.says.test(said));

/** Examples that are neither accepted nor refused for a listed reason, in words. */
export function unexplainedExamples(runs: readonly ExampleRun[]): string[] {
  return runs
    .filter(
      ({ example, outcome }) => outcome !== 'accepted' && refusalOf(example.operation, outcome) === undefined,
    )
    .map(
      ({ example, status, outcome }) =>
        `${example.operation} ${example.version} ${example.name}: ${status} ${outcome}`,
    );
}

const refusalOf = (operation: string, outcome: string) => matching(REFUSED_EXAMPLES, operation, outcome);

export function unexplainedViolations(violations: readonly Violation[]): string[] {
  return violations
    .filter(
      ({ operation, status, problem }) =>
        matching(DIFFERING_ANSWERS, operation, `${status} ${problem}`) === undefined,
    )
    .map(({ operation, version, status, problem }) => `${operation} ${version} ${status}: ${problem}`);
}

/** Exceptions which nothing needed. */
export function idleExceptions({ runs, seen }: Findings): string[] {
  const refused = runs.map(({ example, outcome }) => refusalOf(example.operation, outcome));
  const differing = seen.violations.map(({ operation, status, problem }) =>
    matching(DIFFERING_ANSWERS, operation, `${status} ${problem}`),
  );
  const used = new Set([...refused, ...differing]);
  return [...REFUSED_EXAMPLES, ...DIFFERING_ANSWERS]
    .filter((entry) => !used.has(entry))
    .map(({ why }) => why);
}

/** Operations none of whose successful answers was ever seen. */
export function unseenOperations({ seen }: Findings): string[] {
  return OPERATIONS.filter(
    ({ id, version }) => ![...seen.answers].some((answer) => answer.startsWith(`${id} ${version} 2`)),
  ).map(({ id, version }) => `${id} ${version}`);
}

/** The figures of a run, as a text table. */
export function coverageTable(findings: Findings): string {
  const { runs, missing, seen, mutations, errors } = findings;
  const accepted = runs.filter(({ outcome }) => outcome === 'accepted').length;
  const unexplained = unexplainedExamples(runs).length;
  const checked = [...seen.answers].filter((answer) => !/ [45]\d\d$/.test(answer)).length;
  const described = OPERATIONS.flatMap(({ answers }) =>
    Object.keys(answers).filter((status) => status !== 'default'),
  ).length;
  const rows: [string, string][] = [
    ['operations with a route', share(OPERATIONS.length - missing.length, OPERATIONS.length)],
    [
      'operations seen to succeed',
      share(OPERATIONS.length - unseenOperations(findings).length, OPERATIONS.length),
    ],
    ['examples accepted', share(accepted, runs.length)],
    ['examples refused for a listed reason', String(runs.length - accepted - unexplained)],
    ['examples without explanation', String(unexplained)],
    ['described answers seen and validated', share(checked, described)],
    ['answers that differ without explanation', String(unexplainedViolations(seen.violations).length)],
    [
      'wrong bodies refused with the name of the field',
      share(mutations.count - mutations.wrong.length, mutations.count),
    ],
    ['errors of the catalogue provoked', share(errors.provoked.length, errors.all.length)],
  ];
  return rows.map(([name, value]) => `${name.padEnd(50)} ${value}`).join('\n');
}

const share = (part: number, whole: number): string =>
  `${part} of ${whole} (${whole === 0 ? 0 : Math.floor((part * 100) / whole)} %)`;

const TITLES: Readonly<Record<Service, string>> = {
  accounts: 'Accounts',
  metadata: 'Assets, filters, tracks, policies and locators',
  encoding: 'Transforms and jobs',
  streaming: 'Live events, live outputs and streaming endpoints',
};

/** docs/compatibility.md. */
export function compatibilityPage(findings: Findings): string {
  const services = Object.keys(TITLES) as readonly Service[]; // the keys of a table that is typed by them
  const parts = services.map((service) => {
    const ids = [
      ...new Set(OPERATIONS.filter((operation) => operation.service === service).map(({ id }) => id)),
    ];
    const rows = ids.map((id) =>
      operationRow(
        findings,
        OPERATIONS.filter((operation) => operation.id === id),
      ),
    );
    return `## ${TITLES[service]}\n\n| Operation | api-versions | | What differs, and why |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return `# Compatibility with Azure Media Services v3

Written by the contract suite (\`engine/test/contract/every-operation.test.ts\`; \`UPDATE_COMPATIBILITY=1\` rewrites this page), which calls every operation of the official specifications at every api-version, sends every example of them, and holds every answer against the specification's schema. "compatible" means: all of that passed. The reasons are the suite's table of exceptions.

${parts.join('\n')}`;
}

function operationRow(findings: Findings, operations: readonly Operation[]): string {
  const [{ id } = { id: '' }] = operations;
  const reasons = differencesOf(findings, id);
  const isMissing = operations.some(({ version }) => findings.missing.includes(`${id} ${version}`));
  const state = isMissing ? 'missing' : reasons.length === 0 ? 'compatible' : 'differs';
  const versions = operations.map(({ version }) => version).join(', ');
  return `| ${id} | ${versions} | ${state} | ${reasons.join(' ')} |`;
}

function differencesOf({ runs, seen }: Findings, id: string): string[] {
  const refused = runs
    .filter(({ example }) => example.operation === id)
    .map(({ outcome }) => refusalOf(id, outcome));
  const differing = seen.violations
    .filter(({ operation }) => operation === id)
    .map(({ operation, status, problem }) => matching(DIFFERING_ANSWERS, operation, `${status} ${problem}`));
  const found = [...refused, ...differing].flatMap((exception) =>
    exception === undefined ? [] : [exception.why],
  );
  const known = KNOWN_DIFFERENCES.filter(({ operation }) => operation.test(id)).map(({ why }) => why);
  return [...new Set([...found, ...known])];
}
