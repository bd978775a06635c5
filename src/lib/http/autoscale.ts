import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { type AutoscaleBody, EncodingAutoscaleBody, StreamingAutoscaleBody } from '../contracts/autoscale.ts';
import { endpointName } from '../contracts/fields.ts';
import type { Autoscale, AutoscalePolicy, AutoscaleTargets, Measure } from '../domain/autoscale.ts';
import { formatDuration, parseDurationMs } from '../domain/duration.ts';
import { Problem } from '../domain/errors.ts';
import type { ScaleTarget } from '../domain/scaling.ts';
import type { Schedule } from '../domain/schedule.ts';
import { deleteAutoscale, getAutoscale, putAutoscale } from '../workflows/api-autoscale.ts';
import { etagOf } from '../workflows/api-channels.ts';
import { type Call, json, parameter, readBody } from './handle.ts';
import { findCapacity } from './scaling.ts';
import { findEndpoint } from './streaming-endpoints.ts';

const CAPACITY = { kind: 'encodingCapacity', name: 'default' } as const;
const MINUTE_MS = 60_000;

export async function putStreamingEndpointAutoscaleCall(
  call: Call,
  app: Services,
): Promise<HttpResponseInit> {
  const body = await readBody(call.request, StreamingAutoscaleBody);
  const { name } = await findEndpoint(call, app);
  return put({ kind: 'streamingEndpoint', name }, body, { call, app });
}

export async function putEncodingCapacityAutoscaleCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const body = await readBody(call.request, EncodingAutoscaleBody);
  const { unitsMax } = await findCapacity(app);
  if (body.maximum > unitsMax)
    throw new Problem('invalidBody', {
      detail: 'More units than there can be.',
      errors: [{ pointer: '/maximum', message: `at most ${unitsMax}` }],
    });
  return put(CAPACITY, body, { call, app });
}

export async function getStreamingEndpointAutoscaleCall(
  call: Call,
  app: Services,
): Promise<HttpResponseInit> {
  return answer(200, (await getAutoscale(endpointOf(call), app)).value);
}

export async function getEncodingCapacityAutoscaleCall(
  _call: Call,
  app: Services,
): Promise<HttpResponseInit> {
  return answer(200, (await getAutoscale(CAPACITY, app)).value);
}

export async function deleteStreamingEndpointAutoscaleCall(
  call: Call,
  app: Services,
): Promise<HttpResponseInit> {
  await deleteAutoscale(endpointOf(call), { caller: call.caller, deps: app });
  return { status: 204 };
}

export async function deleteEncodingCapacityAutoscaleCall(
  call: Call,
  app: Services,
): Promise<HttpResponseInit> {
  await deleteAutoscale(CAPACITY, { caller: call.caller, deps: app });
  return { status: 204 };
}

const endpointOf = (call: Call): ScaleTarget => ({
  kind: 'streamingEndpoint',
  name: parameter(call, 'endpoint', endpointName),
});

async function put(
  target: ScaleTarget,
  body: AutoscaleBody,
  { call, app }: { call: Call; app: Services },
): Promise<HttpResponseInit> {
  const { autoscale, created } = await putAutoscale(target, policyOf(body), {
    caller: call.caller,
    deps: app,
  });
  return answer(created ? 201 : 200, autoscale);
}

const answer = (status: number, autoscale: Autoscale): HttpResponseInit =>
  json(status, autoscaleView(autoscale), {
    etag: etagOf(autoscale),
    ...(status === 201 ? { location: hrefOf(autoscale.target) } : {}),
  });

function policyOf(body: AutoscaleBody): AutoscalePolicy {
  // Checked by the schema.
  const ms = (text: string): number => parseDurationMs(text) ?? 0;
  return {
    minimum: body.minimum,
    maximum: body.maximum,
    targets: targetsOf(body.targets),
    windowMs: ms(body.window),
    scaleUpCoolDownMs: ms(body.scaleUpCoolDown),
    scaleDownCoolDownMs: ms(body.scaleDownCoolDown),
    schedules: body.schedules.map((schedule): Schedule => {
      const { minimum } = schedule;
      if ('from' in schedule) {
        return {
          kind: 'once',
          minimum,
          fromMs: Date.parse(schedule.from),
          untilMs: Date.parse(schedule.until),
        };
      }
      const [hours = 0, minutes = 0] = schedule.at.split(':').map(Number);
      const atMs = (hours * 60 + minutes) * MINUTE_MS;
      return { kind: 'weekly', minimum, days: schedule.days, atMs, durationMs: ms(schedule.duration) };
    }),
  };
}

function targetsOf(targets: Partial<Record<Measure, number | undefined>>): AutoscaleTargets {
  const { cpuPercent = null, egressMbpsPerUnit = null, requestsPerSecondPerUnit = null } = targets;
  return {
    cpuPercent,
    egressMbpsPerUnit,
    requestsPerSecondPerUnit,
    jobsPerUnit: targets.jobsPerUnit ?? null,
  };
}

function autoscaleView({ target, policy, lastScaledAtMs, lastDecision }: Autoscale) {
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    target: targetHref(target),
    minimum: policy.minimum,
    maximum: policy.maximum,
    targets: Object.fromEntries(Object.entries(policy.targets).filter(([, value]) => value !== null)),
    window: formatDuration(policy.windowMs),
    scaleUpCoolDown: formatDuration(policy.scaleUpCoolDownMs),
    scaleDownCoolDown: formatDuration(policy.scaleDownCoolDownMs),
    schedules: policy.schedules.map(scheduleView),
    lastScaledAt: lastScaledAtMs === null ? null : time(lastScaledAtMs),
    lastDecision:
      lastDecision === null
        ? null
        : {
            at: time(lastDecision.atMs),
            from: lastDecision.from,
            units: lastDecision.units,
            reason: lastDecision.reason,
            loads: lastDecision.loads,
          },
    href: hrefOf(target),
  };
}

function scheduleView(schedule: Schedule) {
  const { minimum } = schedule;
  if (schedule.kind === 'once') {
    return {
      from: new Date(schedule.fromMs).toISOString(),
      until: new Date(schedule.untilMs).toISOString(),
      minimum,
    };
  }
  const at = new Date(schedule.atMs).toISOString().slice(11, 16);
  return { days: schedule.days, at, duration: formatDuration(schedule.durationMs), minimum };
}

const targetHref = ({ kind, name }: ScaleTarget): string =>
  kind === 'streamingEndpoint' ? `/api/v1/streaming-endpoints/${name}` : '/api/v1/encoding-capacity';
const hrefOf = (target: ScaleTarget): string => `${targetHref(target)}/autoscale`;
