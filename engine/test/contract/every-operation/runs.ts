import type { ArmStack } from '../../support/arm-stack.ts';
import { type Caller, createCaller, type Finished } from './caller.ts';
import { type Mutation, mutationsOf } from './mutations.ts';
import { pathOf, stepsOf, valuesFor } from './places.ts';
import { createSetUps, isAboutOperations, type SetUps } from './set-ups.ts';
import {
  EXAMPLES,
  type Example,
  newestVersion,
  OPERATIONS,
  type Operation,
  operationOf,
} from './specifications.ts';

const REPORTED_CHARS_MAX = 300;

/** What became of an example: `accepted`, or how it was refused. */
export interface ExampleRun {
  readonly example: Example;
  readonly status: number;
  /** `accepted`, `code: message` of a refusal, or why it could not be tried. */
  readonly outcome: string;
}

export interface Suite {
  readonly caller: Caller;
  readonly setUps: SetUps;
}

export function createSuite(stack: ArmStack): Suite {
  const caller = createCaller(stack);
  return { caller, setUps: createSetUps(stack, caller) };
}

/** Whether any route answers the operation's method on its path. */
export async function hasRoute({ caller }: Suite, operation: Operation): Promise<boolean> {
  const values = valuesFor(operation, undefined);
  const path = pathOf(operation.path, values);
  const { status, body } = await caller.call({ method: operation.method, path, version: operation.version });
  const code: unknown = Reflect.get(Object(Reflect.get(Object(body), 'error')), 'code');
  return status !== 405 && code !== 'InvalidResourceType';
}

/** Runs every example of a service one after the other: they share names. */
export async function runExamples(suite: Suite, service: Example['service']): Promise<ExampleRun[]> {
  const runs: ExampleRun[] = [];
  for (const example of EXAMPLES.filter((candidate) => candidate.service === service)) {
    runs.push(await runExample(suite, example));
  }
  return runs;
}

async function runExample(suite: Suite, example: Example): Promise<ExampleRun> {
  const operation = operationOf(example.operation, example.version);
  try {
    const answer = await send(suite, operation, example);
    return { example, status: answer.status, outcome: outcomeOf(answer) };
  } catch (error) {
    return {
      example,
      status: 0,
      outcome: `not tried: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

async function send({ caller, setUps }: Suite, operation: Operation, example: Example): Promise<Finished> {
  const { version, method } = operation;
  const values = valuesFor(operation, example);
  const steps = stepsOf(operation.path, values);
  if (isAboutOperations(operation)) {
    return caller.call({ method, path: await setUps.operationPath(operation, steps), version });
  }
  const body = setUps.adjusted(operation, example.body);
  await setUps.prepare(operation, steps, body);
  return caller.finish({
    method,
    version,
    path: pathOf(operation.path, values),
    query: queryOf(operation, example),
    ...(body === undefined ? {} : { body }),
  });
}

function queryOf({ query }: Operation, { parameters }: Example): Record<string, string> {
  const sent = query.filter(({ name }) => parameters[name] !== undefined);
  return Object.fromEntries(sent.map(({ name }) => [name, String(parameters[name])]));
}

function outcomeOf({ status, body, failure }: Finished): string {
  if (failure !== undefined) return `it fails: ${failure}`;
  if (status < 400) return 'accepted';
  const error: unknown = Reflect.get(Object(body), 'error');
  return `${String(Reflect.get(Object(error), 'code'))}: ${String(Reflect.get(Object(error), 'message'))}`;
}

/** How a body with one thing wrong was answered when it was not refused with 400 and the field's name. */
export interface WrongRefusal {
  readonly operation: string;
  readonly field: string;
  readonly kind: Mutation['kind'];
  readonly answered: string;
}

/** Sends every mutation of one example of each operation of a service, and looks whether a refused create left anything. */
export async function runMutations(
  suite: Suite,
  service: Example['service'],
): Promise<{ count: number; wrong: WrongRefusal[] }> {
  const wrong: WrongRefusal[] = [];
  let count = 0;
  const operations = OPERATIONS.filter(
    (operation) => operation.service === service && operation.version === newestVersion(service),
  );
  for (const operation of operations) {
    const examples = EXAMPLES.filter(
      (example) => example.operation === operation.id && example.version === operation.version,
    );
    for (const example of examples) {
      const found = await mutateExample(suite, operation, example);
      count += found.count;
      wrong.push(...found.wrong);
    }
  }
  return { count, wrong };
}

async function mutateExample({ caller, setUps }: Suite, operation: Operation, example: Example) {
  const body = setUps.adjusted(operation, example.body);
  const mutations = mutationsOf(operation, example, body);
  if (mutations.length === 0) return { count: 0, wrong: [] };
  const { version, method, id } = operation;
  const values = valuesFor(operation, example);
  const steps = stepsOf(operation.path, values);
  const path = pathOf(operation.path, values);
  const wrong: WrongRefusal[] = [];
  const report = (field: string, kind: Mutation['kind'], answered: string) =>
    wrong.push({ operation: id, field, kind, answered });
  try {
    await setUps.prepare(operation, steps, body);
  } catch (error) {
    report('', 'unknown', `not tried: ${String(error).slice(0, REPORTED_CHARS_MAX)}`);
    return { count: 0, wrong };
  }
  for (const mutation of mutations) {
    const answer = await caller.call({ method, path, version, body: mutation.body });
    const said = outcomeOf(answer);
    if (answer.status !== 400 || !said.includes(mutation.field)) {
      report(mutation.field, mutation.kind, `${answer.status} ${said.slice(0, REPORTED_CHARS_MAX)}`);
    }
  }
  if (method === 'PUT') {
    const { status } = await caller.call({ method: 'GET', path, version });
    if (status !== 404) report('', 'unknown', `something is left behind: GET ${status}`);
  }
  return { count: mutations.length, wrong };
}
