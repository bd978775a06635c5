import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ArmStack } from '../support/arm-stack.ts';
import type { Answer, Call } from './every-operation/caller.ts';
import { startContractStack } from './every-operation/contract-stack.ts';
import { hostileBody, hostileQuery } from './every-operation/hostile.ts';
import { pathOf, type Step, stepsOf, valuesFor } from './every-operation/places.ts';
import { createSuite, type Suite } from './every-operation/runs.ts';
import { EXAMPLES, newestVersion, OPERATIONS, type Operation } from './every-operation/specifications.ts';

/** `HEADEND_API_FUZZ_RUNS=20000` for the long form. */
const RUNS = Number(process.env['HEADEND_API_FUZZ_RUNS'] ?? 200);
const SHORT_MS = 20_000;
const isLong = RUNS > 1_000;
const RUN_MS_MAX = isLong ? 6 * 3_600_000 : 120_000;
const BODY_BYTES_MAX = 1024 * 1024;
const NESTED = 100_000;
const SHOWN_CHARS_MAX = 4_000;

const OPERATIONS_TRIED = OPERATIONS.filter(({ service, version }) => version === newestVersion(service));

let stack: ArmStack;
let suite: Suite;

beforeAll(async () => {
  stack = await startContractStack();
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
  operationId: fc.constantFrom(...OPERATIONS_TRIED.map(({ id }) => id)),
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
  readonly operationId: string;
  readonly example: number;
  readonly isNew: boolean;
  readonly body: (example: unknown) => unknown;
  readonly query: Record<string, string>;
}

function operationNamed(id: string): Operation {
  const found = OPERATIONS_TRIED.find((operation) => operation.id === id);
  if (found === undefined) throw new Error(`no operation ${id}`);
  return found;
}

async function tryRequest({ operationId, example, isNew, body, query }: Sent): Promise<void> {
  const operation = operationNamed(operationId);
  const { setUps } = suite;
  const { method, version } = operation;
  const makes = method === 'PUT' && isNew;
  const { path, steps } = placeOf(operation, makes);
  await setUps.ensure(makes ? steps.slice(0, -1) : steps);
  const model = setUps.adjusted(operation, exampleBody(operation, example));
  const sent = operation.body === undefined ? {} : { body: body(model) };
  const call = { method, path, version, query, ...sent };
  try {
    await expectOrderlyCall(call, steps.length > 0 && (method === 'PUT' || method === 'PATCH'));
  } catch (cause) {
    throw new Error(`${method} ${path} ${JSON.stringify({ query, ...sent })}`.slice(0, SHOWN_CHARS_MAX), {
      cause,
    });
  }
  if (makes) await setUps.remove(steps);
}

/** What is refused changes nothing: neither is a resource there that was not, nor is one different. */
async function expectOrderlyCall(call: Call, isChange: boolean): Promise<void> {
  const { caller } = suite;
  const read = { method: 'GET', path: call.path, version: call.version };
  const before = isChange ? await caller.call(read) : undefined;
  const answer = await caller.finish(call);
  expectOrderly(answer);
  if (before === undefined) return;
  const after = await caller.call(read);
  expectOrderly(after);
  const shown = ({ status, body }: Answer) => ({ status, body });
  if (answer.status < 400) expect(after.status).toBe(200);
  else expect(shown(after)).toEqual(shown(before));
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
    const lists = OPERATIONS_TRIED.filter(({ isPaged, method }) => isPaged && method === 'GET');
    for (const operation of lists) {
      const { path, steps } = placeOf(operation, false);
      await suite.setUps.ensure(steps);
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
