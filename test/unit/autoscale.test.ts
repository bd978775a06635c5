import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type AutoscaleFacts,
  type AutoscalePolicy,
  decideAutoscale,
  type Load,
} from '../../src/lib/domain/autoscale.ts';
import { isActive, type Schedule, WEEKDAYS } from '../../src/lib/domain/schedule.ts';
import { onScaleRequest } from '../../src/lib/queues/on-scale-request.ts';
import { sweepAutoscale } from '../../src/lib/timers/sweep-autoscale.ts';
import { openHttpApp } from '../support/http-app.ts';
import { openMemoryApp } from '../support/memory-app.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** A Saturday. */
const NOW = Date.parse('2026-11-21T10:00:00Z');

const policy: AutoscalePolicy = {
  minimum: 1,
  maximum: 8,
  targets: { cpuPercent: 50, egressMbpsPerUnit: null, requestsPerSecondPerUnit: null, jobsPerUnit: null },
  windowMs: 5 * MINUTE,
  scaleUpCoolDownMs: MINUTE,
  scaleDownCoolDownMs: 10 * MINUTE,
  schedules: [],
};
const facts: AutoscaleFacts = {
  units: 2,
  busy: false,
  stopped: false,
  loads: {},
  nowMs: NOW,
  lastScaledAtMs: null,
};
const even = (value: number): Load => ({ recent: value, highest: value });
const cpu = (value: number) => ({ loads: { cpuPercent: even(value) } });
const egress = { ...policy.targets, cpuPercent: null, egressMbpsPerUnit: 200 };

describe('the decision of the autoscaler', () => {
  it.each<[string, Partial<AutoscalePolicy>, Partial<AutoscaleFacts>, number, string]>([
    ['as busy as it should be', {}, cpu(50), 2, 'steady'],
    ['a little busier', {}, cpu(55), 2, 'steady'],
    ['a little less busy', {}, cpu(46), 2, 'steady'],
    ['busier', {}, cpu(56), 3, 'load'],
    ['as busy as can be', {}, cpu(100), 4, 'load'],
    ['busier than the maximum can carry', {}, { ...cpu(100), units: 7 }, 8, 'load'],
    ['at the maximum and busy', {}, { ...cpu(100), units: 8 }, 8, 'steady'],
    ['less busy', {}, { ...cpu(20), units: 4 }, 2, 'load'],
    ['idle', {}, { ...cpu(0), units: 4 }, 1, 'load'],
    ['idle at the minimum', {}, { ...cpu(0), units: 1 }, 1, 'steady'],
    [
      'less busy now, busy within the window',
      {},
      { loads: { cpuPercent: { recent: 5, highest: 50 } }, units: 4 },
      4,
      'steady',
    ],
    ['nothing measured', {}, {}, 2, 'notMeasured'],
    ['nothing measured below the minimum', { minimum: 3 }, {}, 3, 'belowMinimum'],
    ['busy below the minimum', { minimum: 3 }, cpu(100), 4, 'belowMinimum'],
    [
      'above the maximum, whatever the cool-down',
      { maximum: 1 },
      { ...cpu(100), lastScaledAtMs: NOW },
      1,
      'aboveMaximum',
    ],
    ['busy in the cool-down', {}, { ...cpu(100), lastScaledAtMs: NOW - MINUTE + 1 }, 2, 'coolingDown'],
    ['busy after the cool-down', {}, { ...cpu(100), lastScaledAtMs: NOW - MINUTE }, 4, 'load'],
    ['idle in the cool-down', {}, { ...cpu(0), lastScaledAtMs: NOW - 10 * MINUTE + 1 }, 2, 'coolingDown'],
    ['idle after the cool-down', {}, { ...cpu(0), lastScaledAtMs: NOW - 10 * MINUTE }, 1, 'load'],
    ['being scaled', {}, { ...cpu(100), busy: true }, 2, 'scaling'],
    ['stopped', { minimum: 5 }, { stopped: true }, 2, 'stopped'],
    ['a standard endpoint', {}, { ...cpu(100), units: 0 }, 2, 'belowMinimum'],
    ['more sent than fits', { targets: egress }, { loads: { egressMbpsPerUnit: even(401) } }, 3, 'load'],
    ['as much sent as fits', { targets: egress }, { loads: { egressMbpsPerUnit: even(400) } }, 2, 'steady'],
    [
      'less sent, with too little room',
      { targets: egress },
      { loads: { egressMbpsPerUnit: even(190) } },
      2,
      'steady',
    ],
    ['less sent, with room', { targets: egress }, { loads: { egressMbpsPerUnit: even(180) } }, 1, 'load'],
    [
      'the measure that needs most',
      { targets: { ...egress, cpuPercent: 50 } },
      { loads: { egressMbpsPerUnit: even(900), cpuPercent: even(60) } },
      5,
      'load',
    ],
    [
      'one of two measures missing, the other high',
      { targets: { ...egress, cpuPercent: 50 } },
      cpu(100),
      4,
      'load',
    ],
    [
      'one of two measures missing, the other low',
      { targets: { ...egress, cpuPercent: 50 } },
      cpu(1),
      2,
      'notMeasured',
    ],
    [
      'jobs that wait',
      { minimum: 0, targets: { ...egress, egressMbpsPerUnit: null, jobsPerUnit: 2 } },
      { units: 0, loads: { jobsPerUnit: even(5) } },
      3,
      'load',
    ],
    [
      'no jobs',
      { minimum: 0, targets: { ...egress, egressMbpsPerUnit: null, jobsPerUnit: 2 } },
      { loads: { jobsPerUnit: even(0) } },
      0,
      'load',
    ],
    [
      'a schedule that begins',
      { schedules: [{ kind: 'once', minimum: 6, fromMs: NOW, untilMs: NOW + 1 }] },
      { ...cpu(0), lastScaledAtMs: NOW },
      6,
      'belowMinimum',
    ],
    [
      'a schedule above the maximum',
      { schedules: [{ kind: 'once', minimum: 60, fromMs: NOW, untilMs: NOW + 1 }] },
      cpu(0),
      8,
      'belowMinimum',
    ],
    [
      'a schedule that is over',
      { schedules: [{ kind: 'once', minimum: 6, fromMs: 0, untilMs: NOW }] },
      { ...cpu(50), units: 6 },
      6,
      'steady',
    ],
  ])('%s', (_name, change, now, units, reason) => {
    expect(decideAutoscale({ ...policy, ...change }, { ...facts, ...now })).toEqual({ units, reason });
  });

  const target = fc.option(fc.double({ min: 0.1, max: 1_000, noNaN: true }), { nil: null });
  const policies: fc.Arbitrary<AutoscalePolicy> = fc
    .record({
      minimum: fc.nat(10),
      more: fc.nat(20),
      targets: fc.record({
        ...{ cpuPercent: target, egressMbpsPerUnit: target },
        ...{ requestsPerSecondPerUnit: target, jobsPerUnit: target },
      }),
      ...{
        windowMs: fc.constant(MINUTE),
        scaleUpCoolDownMs: fc.nat(HOUR),
        scaleDownCoolDownMs: fc.nat(HOUR),
      },
      schedules: fc.array(
        fc.record({
          kind: fc.constant('once' as const),
          minimum: fc.nat(40),
          fromMs: fc.constant(0),
          untilMs: fc.integer({ min: 0, max: 2 * NOW }),
        }),
        { maxLength: 2 },
      ),
    })
    .map(({ more, ...rest }) => ({ ...rest, maximum: rest.minimum + more }));
  const load = fc.tuple(
    fc.double({ min: 0, max: 10_000, noNaN: true }),
    fc.double({ min: 0, max: 1_000, noNaN: true }),
  );
  const loads = fc.record(
    { cpuPercent: load, egressMbpsPerUnit: load, requestsPerSecondPerUnit: load, jobsPerUnit: load },
    { requiredKeys: [] },
  );
  const states = fc.record({
    ...{ units: fc.nat(40), busy: fc.constant(false), stopped: fc.constant(false), nowMs: fc.constant(NOW) },
    lastScaledAtMs: fc.option(fc.integer({ min: NOW - 2 * HOUR, max: NOW }), { nil: null }),
  });
  const loadsOf = (given: Record<string, [number, number] | undefined>, more = 0) =>
    Object.fromEntries(
      Object.entries(given).flatMap(([measure, pair]) =>
        pair === undefined ? [] : [[measure, { recent: pair[0] + more, highest: pair[0] + pair[1] + more }]],
      ),
    );

  it('is never outside the limits', () => {
    fc.assert(
      fc.property(policies, states, loads, (given, state, measured) => {
        const { units } = decideAutoscale(given, { ...state, loads: loadsOf(measured) });
        expect(units).toBeGreaterThanOrEqual(given.minimum);
        expect(units).toBeLessThanOrEqual(given.maximum);
      }),
    );
  });

  it('is never for fewer units when there is more load', () => {
    fc.assert(
      fc.property(
        policies,
        states,
        loads,
        fc.double({ min: 0, max: 5_000, noNaN: true }),
        (given, state, measured, more) => {
          const less = decideAutoscale(given, { ...state, loads: loadsOf(measured) });
          const greater = decideAutoscale(given, { ...state, loads: loadsOf(measured, more) });
          expect(greater.units).toBeGreaterThanOrEqual(less.units);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('does not go back and forth within the cool-down, whatever the load does', () => {
    const steps = fc.array(fc.tuple(fc.nat(120), fc.nat(5 * MINUTE)), { minLength: 5, maxLength: 60 });
    fc.assert(
      fc.property(steps, (given) => {
        let state = { units: 3, nowMs: NOW, lastScaledAtMs: null as number | null };
        for (const [percent, waitMs] of given) {
          state = { ...state, nowMs: state.nowMs + waitMs };
          const { units } = decideAutoscale(policy, { ...facts, ...state, ...cpu(percent) });
          if (units === state.units) continue;
          const sinceMs = state.nowMs - (state.lastScaledAtMs ?? 0);
          expect(sinceMs).toBeGreaterThanOrEqual(units > state.units ? MINUTE : 10 * MINUTE);
          state = { ...state, units, lastScaledAtMs: state.nowMs };
        }
      }),
    );
  });
});

describe('a schedule', () => {
  const at = (text: string) => Date.parse(text);
  const friday: Schedule = {
    kind: 'weekly',
    minimum: 4,
    days: ['friday'],
    atMs: 22 * HOUR,
    durationMs: 4 * HOUR,
  };
  it.each([
    ['before', '2026-11-20T21:59:59Z', false],
    ['its beginning', '2026-11-20T22:00:00Z', true],
    ['after midnight', '2026-11-21T01:59:59Z', true],
    ['its end', '2026-11-21T02:00:00Z', false],
    ['another day', '2026-11-21T22:30:00Z', false],
    ['a week later', '2026-11-27T23:00:00Z', true],
  ])('of each Friday night: %s', (_name, time, expected) => {
    expect(isActive(friday, at(time))).toBe(expected);
  });

  it('of a whole week on one day never ends', () => {
    const always: Schedule = { ...friday, durationMs: 7 * 24 * HOUR };
    fc.assert(fc.property(fc.integer({ min: 0, max: 4e12 }), (nowMs) => isActive(always, nowMs)));
    expect(WEEKDAYS[new Date(NOW).getUTCDay()]).toBe('saturday');
  });
});

describe('the resource', () => {
  const PATH = '/streaming-endpoints/default/autoscale';
  const body = {
    ...{ minimum: 1, maximum: 4, targets: { cpuPercent: 60 }, scaleUpCoolDown: 'PT30S' },
    schedules: [{ days: ['friday'], at: '18:30', duration: 'PT4H', minimum: 3 }],
  };
  let world: ReturnType<typeof openMemoryApp>;
  let http: ReturnType<typeof openHttpApp>;
  beforeEach(() => {
    world = openMemoryApp();
    http = openHttpApp(world.app);
  });

  it('is stored, read, replaced and removed', async () => {
    expect(await http.call('GET', PATH)).toMatchObject({ status: 404, body: { code: 'autoscaleNotFound' } });
    const made = await http.call('PUT', PATH, { body });
    expect([made.status, made.headers.get('location'), made.body]).toEqual([
      201,
      `/api/v1${PATH}`,
      {
        ...body,
        ...{ target: '/api/v1/streaming-endpoints/default', href: `/api/v1${PATH}` },
        ...{ window: 'PT5M', scaleDownCoolDown: 'PT10M', lastScaledAt: null, lastDecision: null },
      },
    ]);
    const etag = made.headers.get('etag') ?? '';
    expect((await http.call('PUT', PATH, { body })).headers.get('etag')).toBe(etag);
    const changed = { ...body, maximum: 5 };
    expect(await http.call('PUT', PATH, { body: changed, headers: { 'if-match': '"x"' } })).toMatchObject({
      ...{ status: 412, body: { code: 'etagMismatch' } },
    });
    const replaced = await http.call('PUT', PATH, { body: changed, headers: { 'if-match': etag } });
    expect([replaced.status, replaced.body.maximum]).toEqual([200, 5]);
    expect((await http.call('DELETE', PATH, { headers: { 'if-match': etag } })).status).toBe(412);
    expect((await http.call('DELETE', PATH)).status).toBe(204);
    expect((await http.call('DELETE', PATH)).status).toBe(404);
  });

  it.each([
    ['no target', { targets: {} }, '/targets'],
    ['a minimum above the maximum', { minimum: 5 }, '/maximum'],
    ['a minimum of nothing', { minimum: 0 }, '/minimum'],
    ['an unknown field', { color: 1 }, '/color'],
    ['jobs of a streaming endpoint', { targets: { jobsPerUnit: 1 } }, '/targets/jobsPerUnit'],
    ['a share above the whole', { targets: { cpuPercent: 101 } }, '/targets/cpuPercent'],
    ['a window of hours', { window: 'PT2H' }, '/window'],
    ['a schedule that is none', { schedules: [{ minimum: 1 }] }, '/schedules/0'],
  ])('is refused with %s', async (_name, change, pointer) => {
    const { status, body: problem } = await http.call('PUT', PATH, { body: { ...body, ...change } });
    expect([status, problem.code]).toEqual([400, 'invalidBody']);
    expect(problem.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
  });

  it('is refused for what is not there', async () => {
    const answer = await http.call('PUT', '/streaming-endpoints/other/autoscale', { body });
    expect(answer).toMatchObject({ status: 404, body: { code: 'streamingEndpointNotFound' } });
  });

  it('of the encoding capacity scales by jobs, from nothing', async () => {
    const path = '/encoding-capacity/autoscale';
    const put = await http.call('PUT', path, {
      body: { minimum: 0, maximum: 3, targets: { jobsPerUnit: 1 } },
    });
    expect([put.status, put.body.target]).toEqual([201, '/api/v1/encoding-capacity']);
    const tooMany = { minimum: 0, maximum: 11, targets: { jobsPerUnit: 1 } };
    expect(await http.call('PUT', path, { body: tooMany })).toMatchObject({
      ...{ status: 400, body: { errors: [{ pointer: '/maximum', message: 'at most 10' }] } },
    });
    world.autoscaling.loads = { jobsPerUnit: even(2) };
    await sweepAutoscale(world.app);
    expect(world.scaleMessages).toMatchObject([{ kind: 'encodingCapacity', name: 'default' }]);
  });
});

describe('the timer', () => {
  const PATH = '/streaming-endpoints/default/autoscale';
  const body = {
    minimum: 1,
    maximum: 4,
    targets: { cpuPercent: 50 },
    scaleUpCoolDown: 'PT1M',
    scaleDownCoolDown: 'PT2M',
  };
  let world: ReturnType<typeof openMemoryApp>;
  let http: ReturnType<typeof openHttpApp>;
  beforeEach(() => {
    world = openMemoryApp();
    http = openHttpApp(world.app);
  });
  const look = async (percent?: number) => {
    if (percent !== undefined) world.autoscaling.loads = { cpuPercent: even(percent) };
    await sweepAutoscale(world.app);
    for (let round = 0; round < 3; round += 1) {
      for (const message of world.scaleMessages.splice(0)) await onScaleRequest(message, world.app);
      world.settleScaling();
    }
    return world.scaleState.units.get('default');
  };

  it('asks for nothing, not even for figures, when no policy is stored', async () => {
    expect(await look(100)).toBe(1);
    expect(world.autoscaling.asked).toBe(0);
  });

  it('scales up by the queue, waits, and scales down, and says what it did', async () => {
    await http.call('PUT', PATH, { body });
    expect(await look(100)).toBe(2);
    expect(world.scaleState.orders).toEqual([2]);
    expect((await http.call('GET', PATH)).body).toMatchObject({
      lastScaledAt: expect.any(String),
      lastDecision: { from: 1, units: 2, reason: 'load', loads: { cpuPercent: even(100) } },
    });
    expect(await look(100)).toBe(2);
    expect((await http.call('GET', PATH)).body.lastDecision).toMatchObject({ reason: 'coolingDown' });
    world.advance(61_000);
    expect(await look(100)).toBe(4);
    world.advance(61_000);
    expect(await look(0)).toBe(4);
    world.advance(61_000);
    expect(await look(0)).toBe(1);
    await http.call('DELETE', PATH);
    world.advance(HOUR);
    expect(await look(100)).toBe(1);
  });

  it('changes nothing while the figures cannot be read, and asks once when two look at the same time', async () => {
    await http.call('PUT', PATH, { body });
    world.autoscaling.fails = true;
    expect(await look(100)).toBe(1);
    world.autoscaling.fails = false;
    await Promise.all([sweepAutoscale(world.app), sweepAutoscale(world.app)]);
    expect(world.scaleMessages).toHaveLength(1);
  });

  it('leaves a stopped endpoint alone', async () => {
    await http.call('PUT', PATH, { body });
    world.endpoint.state = 'stopped';
    expect(await look(100)).toBe(1);
    expect((await http.call('GET', PATH)).body.lastDecision).toMatchObject({ reason: 'stopped' });
  });
});
