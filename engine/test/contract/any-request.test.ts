import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type ArmStack, startArmStack } from '../support/arm-stack.ts';
import type { Answer } from './every-operation/caller.ts';
import { hostileBody, hostileQuery } from './every-operation/hostile.ts';
import { pathOf, type Step, stepsOf, valuesFor } from './every-operation/places.ts';
import { createSuite, type Suite } from './every-operation/runs.ts';
import { EXAMPLES, newestVersion, OPERATIONS, type Operation } from './every-operation/specifications.ts';

/** `HEADEND_API_FUZZ_RUNS=20000` for the long form. */
const RUNS = Number(process.env['HEADEND_API_FUZZ_RUNS'] ?? 400);
const SHORT_MS = 20_000;
const isLong = RUNS > 1_000;
const RUN_MS_MAX = isLong ? 6 * 3_600_000 : 120_000;
const BODY_BYTES_MAX = 1024 * 1024;
const NESTED = 100_000;

const OPERATIONS_TRIED = OPERATIONS.filter(({ service, version }) => version === newestVersion(service));

let stack: ArmStack;
let suite: Suite;

beforeAll(async () => {
  stack = await startArmStack();
  suite = createSuite(stack);
  for (const { body } of EXAMPLES) await suite.setUps.prepareReferences(body);
}, 120_000);

afterAll(async () => {
  suite?.caller.close();
  await stack?.close();
}, 60_000);

/** Below parents that are there: a resource that is there too, or one of a name that was never used. */
let count = 0;
function placeOf(operation: Operation, isNew: boolean): { path: string; steps: Step[] } {
  count += 1;
  const placeholders = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const own = placeholders.findLast((name) => /Name$|^name$/.test(name) && name !== 'accountName');
  const values = {
    ...Object.fromEntries(placeholders.map((name) => [name, 'present'])),
    ...(own === undefined || !isNew ? {} : { [own]: `new${count}` }),
    ...valuesFor(operation, undefined),
  };
  return { path: pathOf(operation.path, values), steps: stepsOf(operation.path, values) };
}

const request = fc.record({
  operation: fc.constantFrom(...OPERATIONS_TRIED),
  example: fc.nat(),
  isNew: fc.boolean(),
  body: hostileBody,
  query: hostileQuery,
});

function exampleBody(operation: Operation, pick: number): unknown {
  const examples = EXAMPLES.filter(
    (example) => example.operation === operation.id && example.version === operation.version,
  );
  return examples[pick % Math.max(1, examples.length)]?.body;
}

/** An answer that a caller can do something with. */
function expectOrderly(answer: Answer): void {
  expect(answer.status).toBeLessThan(500);
  if (answer.status < 400) return;
  expect(answer.body).toMatchObject({
    error: { code: expect.stringMatching(/./), message: expect.stringMatching(/./) },
  });
}

interface Sent {
  readonly operation: Operation;
  readonly example: number;
  readonly isNew: boolean;
  readonly body: (example: unknown) => unknown;
  readonly query: Record<string, string>;
}

async function tryRequest({ operation, example, isNew, body, query }: Sent): Promise<void> {
  const { caller, setUps } = suite;
  const { method, version } = operation;
  const makes = method === 'PUT' && isNew;
  const { path, steps } = placeOf(operation, makes);
  if (steps.length > 0) await setUps.ensure(makes ? steps.slice(0, -1) : steps);
  const at = { path, version };
  const isChange = steps.length > 0 && (method === 'PUT' || method === 'PATCH');
  const before = isChange ? await caller.call({ method: 'GET', ...at }) : undefined;
  const model = setUps.adjusted(operation, exampleBody(operation, example));
  const sent = operation.body === undefined ? {} : { body: body(model) };
  const answer = await caller.finish({ method, ...at, query, ...sent });
  expectOrderly(answer);
  if (before === undefined) return;
  const after = await caller.call({ method: 'GET', ...at });
  expectOrderly(after);
  if (answer.status < 400) expect(after.status).toBe(200);
  else
    expect({ status: after.status, body: after.body }).toEqual({ status: before.status, body: before.body });
  if (makes && after.status === 200) await setUps.remove(steps);
}

describe('whatever is sent', () => {
  it(
    'is answered orderly, and what is refused changes nothing',
    () =>
      fc.assert(fc.asyncProperty(request, tryRequest), {
        numRuns: RUNS,
        ...(isLong ? {} : { interruptAfterTimeLimit: SHORT_MS }),
      }),
    RUN_MS_MAX,
  );

  it.each<[string, string | Uint8Array]>([
    ['nothing but an opening bracket', '['],
    ['brackets within brackets', '['.repeat(NESTED) + ']'.repeat(NESTED)],
    ['objects within objects', `${'{"properties":'.repeat(NESTED / 10)}1${'}'.repeat(NESTED / 10)}`],
    ['bytes that are no UTF-8', Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['a number beyond all numbers', '{"properties":{"scaleUnits":1e999}}'],
    ['the same field twice', '{"properties":{"description":"a"},"properties":{"colour":1}}'],
    ['a byte order mark', '\ufeff{}'],
    ['text instead of JSON', 'properties=1'],
    ['more than is read', `{"id":"${'x'.repeat(BODY_BYTES_MAX)}"}`],
  ])(
    '%s is no reason to fail',
    async (_name, rawBody) => {
      for (const operation of OPERATIONS_TRIED.filter(({ body }) => body !== undefined)) {
        const { path } = placeOf(operation, true);
        const { method, version } = operation;
        expectOrderly(await suite.caller.call({ method, path, version, rawBody }));
      }
    },
    60_000,
  );

  it('leaves lists that can be read, and no failure in the log', async () => {
    const lists = OPERATIONS_TRIED.filter(({ isPaged }) => isPaged);
    for (const operation of lists) {
      const { path, steps } = placeOf(operation, false);
      if (steps.length > 0) await suite.setUps.ensure(steps);
      const { status } = await suite.caller.call({
        method: 'GET',
        path,
        version: operation.version,
      });
      expect([operation.id, status]).toEqual([operation.id, 200]);
    }
    expect(
      stack.engine
        .log()
        .split('\n')
        .filter((line) => line.includes('"arm.failed"')),
    ).toEqual([]);
  }, 60_000);
});
