import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Operation } from '../../src/lib/domain/operation.ts';
import { scaleRetryMs } from '../../src/lib/domain/scaling.ts';
import { bounded } from '../../src/lib/queues/bounded.ts';
import { onScalePoison, onScaleRequest } from '../../src/lib/queues/on-scale-request.ts';
import { requestScaling } from '../../src/lib/workflows/api-scaling.ts';
import { failScaling, reconcileScaling } from '../../src/lib/workflows/reconcile-scaling.ts';
import type { ScaleMessage } from '../../src/lib/workflows/scaling-ports.ts';
import { fakeScalables } from '../support/fake-scalables.ts';
import { openHttpApp } from '../support/http-app.ts';
import { openMemoryApp } from '../support/memory-app.ts';
import { memoryStores } from '../support/memory-stores.ts';

const ENDPOINT = { kind: 'streamingEndpoint', name: 'default' } as const;
const KEY = 'streamingEndpoint!default';
const PATH = '/streaming-endpoints/default';

let world: ReturnType<typeof openMemoryApp>;
let http: ReturnType<typeof openHttpApp>;

beforeEach(() => {
  world = openMemoryApp();
  http = openHttpApp(world.app);
});

const ask = async (units: number): Promise<string> => {
  const { status, body } = await http.call('POST', `${PATH}/scale`, { body: { units } });
  expect([status, body.kind, body.target]).toEqual([202, 'streamingEndpoint.scale', `/api/v1${PATH}`]);
  return body.id;
};
const look = async (id: string) => {
  const { status, step, percentComplete, error } = (await http.call('GET', `/operations/${id}`)).body;
  return { status, step, percentComplete, error };
};
/** What a host does with the messages that are there. */
const deliver = async () => {
  for (const message of world.scaleMessages.splice(0)) await onScaleRequest(message, world.app);
  for (const message of world.poisonMessages.splice(0)) await onScalePoison(message, world.app);
};
const DONE = { status: 'Succeeded', step: 'done', percentComplete: 100, error: null };
const superseded = (by: string) => ({
  status: 'Canceled',
  step: 'superseded',
  percentComplete: 100,
  error: { code: 'superseded', message: `A later request took its place: operation ${by}.` },
});

describe('a request for units', () => {
  it('is told all along', async () => {
    const id = await ask(3);
    expect(await look(id)).toEqual({ status: 'NotStarted', step: 'queued', percentComplete: 0, error: null });
    await deliver();
    const scaling = { status: 'Running', step: 'scaling from 1 to 3', error: null };
    expect(await look(id)).toEqual({ ...scaling, percentComplete: 30 });
    await deliver();
    expect(await look(id)).toEqual({ ...scaling, percentComplete: 50 });
    world.settleScaling();
    await deliver();
    expect(await look(id)).toEqual(DONE);
    expect([world.scaleState.units.get('default'), world.scaleState.orders]).toEqual([3, [3]]);
    expect(world.scaleMessages).toEqual([]);
  });

  it('for what is so already is done without an order', async () => {
    const id = await ask(1);
    await deliver();
    expect(await look(id)).toEqual(DONE);
    expect(world.scaleState.orders).toEqual([]);
  });

  it('twice for the same number is one operation, and after its end another', async () => {
    const id = await ask(3);
    expect(await ask(3)).toBe(id);
    await deliver();
    world.settleScaling();
    await deliver();
    expect(await look(id)).toEqual(DONE);
    expect(await ask(3)).not.toBe(id);
  });

  it('whose message comes twice, late or never is carried out once', async () => {
    const id = await ask(2);
    const [message] = world.scaleMessages;
    if (message === undefined) throw new Error('no message');
    world.scaleMessages.push(message, message);
    await deliver();
    world.settleScaling();
    await deliver();
    expect(await look(id)).toEqual(DONE);
    await onScaleRequest(message, world.app);
    const lost = await ask(4);
    world.scaleMessages.length = 0;
    world.advance(11_000);
    await world.sweep();
    world.settleScaling();
    world.scaleMessages.length = 0;
    world.advance(12_000);
    await world.sweep();
    expect([await look(id), await look(lost)]).toEqual([DONE, DONE]);
    expect(world.scaleState.orders).toEqual([2, 4]);
  });

  it('takes the place of earlier ones, whether they wait or are under way', async () => {
    const first = await ask(2);
    await deliver();
    const second = await ask(5);
    const third = await ask(3);
    await deliver();
    expect(await look(first)).toEqual(superseded(second));
    expect(await look(second)).toEqual(superseded(third));
    expect(await look(third)).toMatchObject({ status: 'Running', step: 'waiting for another scaling' });
    world.settleScaling();
    await deliver();
    expect(await look(third)).toMatchObject({ step: 'scaling from 2 to 3' });
    world.settleScaling();
    await deliver();
    expect(await look(third)).toEqual(DONE);
    expect([world.scaleState.orders, world.scaleState.concurrentMax]).toEqual([[2, 3], 0]);
    // Only the last one's message goes on.
    expect(world.scaleMessages).toEqual([]);
  });

  it('back to what was before is carried out after what it took the place of', async () => {
    await ask(4);
    await deliver();
    const back = await ask(1);
    await deliver();
    expect(await look(back)).toMatchObject({ step: 'waiting for another scaling' });
    world.settleScaling();
    await deliver();
    world.settleScaling();
    await deliver();
    expect(await look(back)).toEqual(DONE);
    expect([world.scaleState.orders, world.scaleState.units.get('default')]).toEqual([[4, 1], 1]);
  });
});

describe('a request that fails', () => {
  it('is tried again, later and later, and then reported with what the media service said', async () => {
    const answer = { kind: 'later', code: 'ServiceUnavailable', message: 'Try later.' } as const;
    world.scaleState.answers.push(...Array.from({ length: 10 }, () => answer));
    const id = await ask(3);
    const steps: string[] = [];
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      await deliver();
      steps.push((await look(id)).step);
      // Before its time it is not asked again.
      await deliver();
      world.advance(scaleRetryMs(attempt));
    }
    expect(new Set(steps)).toEqual(
      new Set(
        Array.from({ length: 10 }, (_, n) => `trying again: attempt ${n + 1} ended with ServiceUnavailable`),
      ),
    );
    await deliver();
    expect(await look(id)).toEqual({
      status: 'Failed',
      step: 'failed',
      percentComplete: 100,
      error: { code: 'ServiceUnavailable', message: 'Given up after 10 attempts: Try later.' },
    });
    expect([world.scaleMessages, world.poisonMessages]).toEqual([[], []]);
  });

  it.each([['a refusal', 'refused', 'BadRequest', 'The value of scaleUnit is not valid.']] as const)(
    'by %s is reported at once, also when the poison message is lost',
    async (_name, kind, code, message) => {
      world.scaleState.answers.push({ kind, code, message }, { kind, code, message });
      const id = await ask(3);
      await deliver();
      const refused = { status: 'Failed', step: 'failed', percentComplete: 100, error: { code, message } };
      expect(await look(id)).toEqual(refused);
      const other = await ask(4);
      for (const item of world.scaleMessages.splice(0)) await onScaleRequest(item, world.app);
      world.poisonMessages.length = 0;
      world.advance(11_000);
      await world.sweep();
      expect(await look(other)).toEqual(refused);
    },
  );

  it('while the media service was at it is ordered again', async () => {
    world.scaleState.ends.push({ kind: 'failed', error: { code: 'InternalError', message: 'No room.' } });
    const id = await ask(3);
    await deliver();
    world.settleScaling();
    await deliver();
    expect(await look(id)).toMatchObject({
      status: 'Running',
      step: 'trying again: attempt 1 ended with InternalError',
    });
    world.advance(1_000);
    await deliver();
    world.settleScaling();
    await deliver();
    expect(await look(id)).toEqual(DONE);
    expect(world.scaleState.orders).toEqual([3, 3]);
  });

  it('because the media service cannot be read waits for it, and knows what it began', async () => {
    const id = await ask(3);
    await deliver();
    world.scaleState.readable = false;
    await deliver();
    expect(await look(id)).toMatchObject({ status: 'Running', step: /mediaServiceUnavailable/ });
    world.scaleState.readable = true;
    world.advance(1_000);
    await deliver();
    expect(await look(id)).toMatchObject({ status: 'Running', step: 'scaling from 1 to 3' });
    world.settleScaling();
    await deliver();
    expect([await look(id), world.scaleState.orders]).toEqual([DONE, [3]]);
  });

  it('waits while the media service says that something is under way', async () => {
    world.scaleState.answers.push({ kind: 'later', code: 'OperationInProgress', message: 'busy' });
    const id = await ask(3);
    await deliver();
    expect(await look(id)).toMatchObject({ step: 'waiting for another scaling' });
    await deliver();
    world.settleScaling();
    await deliver();
    expect(await look(id)).toEqual(DONE);
  });

  it('because its message failed too often is reported, and a later request is not', async () => {
    const first = await ask(3);
    const [poison] = world.scaleMessages.splice(0);
    await onScalePoison(poison, world.app);
    expect(await look(first)).toMatchObject({ status: 'Failed', error: { code: 'scaleRequestFailed' } });
    const second = await ask(4);
    await onScalePoison(poison, world.app);
    await deliver();
    world.settleScaling();
    await deliver();
    expect([(await look(first)).status, await look(second)]).toEqual(['Failed', DONE]);
  });

  it('does not stay on a poison queue for ever', async () => {
    let calls = 0;
    const handler = bounded(async () => {
      calls += 1;
      throw new Error('storage is away');
    });
    const context = (dequeueCount: number) =>
      ({ triggerMetadata: { dequeueCount }, functionName: 'f' }) as never;
    for (const count of [1, 2, 3, 4]) await expect(handler({}, context(count))).rejects.toThrow('storage');
    await expect(handler({}, context(5))).resolves.toBeUndefined();
    expect(calls).toBe(5);
  });

  it('is no message at all', async () => {
    for (const message of [undefined, 1, 'x', {}, { kind: 'other', name: 'default', operation: 'op_1' }]) {
      await onScaleRequest(message, world.app);
      await onScalePoison(message, world.app);
    }
    const unknown = { ...ENDPOINT, operation: `op_${'0'.repeat(32)}` };
    await onScaleRequest(unknown, world.app);
    await onScalePoison(unknown, world.app);
    expect([world.scaleMessages, world.poisonMessages, world.scaleState.orders]).toEqual([[], [], []]);
  });
});

describe('the calls', () => {
  it.each([
    ['no units', {}, '/units'],
    ['too few', { units: -1 }, '/units'],
    ['too many', { units: 51 }, '/units'],
    ['half a unit', { units: 1.5 }, '/units'],
    ['text', { units: '3' }, '/units'],
    ['something else', { units: 3, by: 'me' }, '/by'],
  ])('refuse %s', async (_name, body, pointer) => {
    const answer = await http.call('POST', `${PATH}/scale`, { body });
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, pointer]);
    expect(world.scaleMessages).toEqual([]);
  });

  it('know an endpoint that there is, and the encoding capacity’s limit', async () => {
    const none = await http.call('POST', '/streaming-endpoints/none/scale', { body: { units: 1 } });
    expect([none.status, none.body.code]).toEqual([404, 'streamingEndpointNotFound']);
    const beyond = await http.call('POST', '/encoding-capacity/scale', { body: { units: 11 } });
    expect([beyond.status, beyond.body.errors]).toEqual([
      400,
      [{ pointer: '/units', message: 'at most 10' }],
    ]);
    const { status, body } = await http.call('POST', '/encoding-capacity/scale', { body: { units: 4 } });
    expect([status, body.kind, body.target]).toEqual([
      202,
      'encodingCapacity.scale',
      '/api/v1/encoding-capacity',
    ]);
    await deliver();
    world.settleScaling();
    await deliver();
    expect(await look(body.id)).toEqual(DONE);
    expect((await http.call('GET', '/encoding-capacity')).body).toEqual({
      units: 4,
      unitsMax: 10,
      activeWorkers: 0,
      state: 'succeeded',
      href: '/api/v1/encoding-capacity',
    });
  });

  it('store the request when the queue cannot be reached', async () => {
    world.breakQueue();
    const id = await ask(2);
    world.advance(11_000);
    await world.sweep().catch(() => {});
    world.settleScaling();
    world.advance(12_000);
    await world.sweep().catch(() => {});
    expect(await look(id)).toEqual(DONE);
  });
});

describe('requests, messages and crashes in any order', () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('ask' as const), units: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ kind: fc.constant('crash' as const), steps: fc.integer({ min: 0, max: 25 }) }),
    fc.record({ kind: fc.constant('message' as const), which: fc.nat({ max: 5 }) }),
    fc.record({ kind: fc.constant('poison' as const), which: fc.nat({ max: 5 }) }),
    fc.record({ kind: fc.constant('settle' as const) }),
    fc.record({ kind: fc.constant('end' as const) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 15_000 }) }),
  );

  it('come to the units that were last asked for, with every operation told its end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
        const rough = openRoughWorld();
        for (const item of actions) await rough.perform(item);
        await rough.converge();
        const known = await rough.operations();
        expect(known.filter(({ finishedAtMs }) => finishedAtMs === undefined)).toEqual([]);
        expect(rough.scaleState.concurrentMax).toBe(0);
        const last = rough.lastAsked();
        if (last === undefined) return;
        expect(rough.scaleState.units.get('default')).toBe(last.units);
        expect(known.find(({ id }) => id === last.id)?.status).toBe('Succeeded');
      }),
      { numRuns: 300 },
    );
  });
});

interface Action {
  readonly kind: string;
  readonly units?: number;
  readonly which?: number;
  readonly steps?: number;
  readonly ms?: number;
}

/** A queue that loses everything, and a process that dies between any two steps. */
function openRoughWorld() {
  let crashIn = Number.POSITIVE_INFINITY;
  const step = () => {
    crashIn -= 1;
    if (crashIn < 0) throw new Error('crash');
  };
  let nowMs = 1_800_000_000_000;
  let guids = 0;
  let last: { id: string; units: number } | undefined;
  const messages: ScaleMessage[] = [];
  const { scalables, scaleState, settleScaling } = fakeScalables({ step });
  const random = {
    guid: () => {
      guids += 1;
      return `00000000-0000-4000-8000-${String(guids).padStart(12, '0')}`;
    },
  };
  const scaleQueue = { send: async () => {}, giveUp: async () => {} };
  const deps = { ...memoryStores(step), scalables, scaleQueue, random, clock: { now: () => nowMs } };
  const acts: Readonly<Record<string, (item: Action) => unknown>> = {
    async ask({ units = 0 }) {
      // Until it is answered nobody knows whether it is wanted.
      last = undefined;
      const { id } = await requestScaling(ENDPOINT, units, deps);
      last = { id, units };
      messages.push({ ...ENDPOINT, operation: id });
    },
    message: () => reconcileScaling(KEY, deps),
    async poison({ which = 0 }) {
      const message = messages[which];
      if (message === undefined) return;
      if (message.operation === last?.id) last = undefined;
      await failScaling(message, deps);
    },
    settle: settleScaling,
    end: () => void scaleState.ends.push({ kind: 'failed', error: { code: 'E', message: 'e' } }),
    wait({ ms = 0 }) {
      nowMs += ms;
    },
    crash({ steps = 0 }) {
      crashIn = steps;
    },
  };
  return {
    scaleState,
    lastAsked: () => last,
    async perform(item: Action) {
      try {
        await acts[item.kind]?.(item);
      } catch (error) {
        if (!(error instanceof Error) || error.message !== 'crash') throw error;
        crashIn = Number.POSITIVE_INFINITY;
      }
    },
    async converge() {
      crashIn = Number.POSITIVE_INFINITY;
      scaleState.ends.length = 0;
      for (let round = 0; round < 30; round += 1) {
        settleScaling();
        nowMs += 41_000;
        for (const key of await deps.scaleDue.due(nowMs)) await reconcileScaling(key, deps);
      }
    },
    async operations(): Promise<Operation[]> {
      const found = await Promise.all(messages.map(({ operation }) => deps.operations.find(operation)));
      return found.filter((operation) => operation !== undefined);
    },
  };
}
