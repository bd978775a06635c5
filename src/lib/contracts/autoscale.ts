import { z } from 'zod';
import { WEEKDAYS } from '../domain/schedule.ts';
import { duration, moment } from './fields.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const STREAMING_UNITS_MAX = 50;
const ENCODING_UNITS_MAX = 1000;
const SCHEDULES_MAX = 50;

const window = duration({ minMs: MINUTE_MS, maxMs: HOUR_MS, text: 'PT1M to PT1H' });
const coolDown = duration({ minMs: 0, maxMs: 24 * HOUR_MS, text: 'PT0S to PT24H' });

const schedules = (unitsMax: number) =>
  z
    .array(
      z.union([
        z
          .strictObject({ from: moment, until: moment, minimum: z.int().min(0).max(unitsMax) })
          .refine(({ from, until }) => Date.parse(from) < Date.parse(until), {
            path: ['until'],
            message: 'after from',
          }),
        z.strictObject({
          days: z.array(z.enum(WEEKDAYS)).min(1).max(WEEKDAYS.length),
          at: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'HH:MM in UTC'),
          duration: duration({ minMs: MINUTE_MS, maxMs: 7 * 24 * HOUR_MS, text: 'PT1M to P7D' }),
          minimum: z.int().min(0).max(unitsMax),
        }),
      ]),
    )
    .max(SCHEDULES_MAX)
    .default([])
    .describe('times with more units than the load would ask for');

const units = (unitsMin: number, unitsMax: number) => ({
  minimum: z.int().min(unitsMin).max(unitsMax),
  maximum: z.int().min(unitsMin).max(unitsMax),
});

const timing = {
  window: window.default('PT5M').describe('units are taken away when the load was low for so long'),
  scaleUpCoolDown: coolDown.default('PT1M').describe('after a change nothing is added for so long'),
  scaleDownCoolDown: coolDown.default('PT10M').describe('after a change nothing is taken away for so long'),
};

const inOrder = {
  path: ['maximum'],
  message: 'at least minimum',
};
const isInOrder = ({ minimum, maximum }: { minimum: number; maximum: number }) => minimum <= maximum;

export const StreamingAutoscaleBody = z
  .strictObject({
    ...units(1, STREAMING_UNITS_MAX),
    targets: z
      .strictObject({
        cpuPercent: z.number().min(1).max(100).optional().describe('how busy a serving process should be'),
        egressMbpsPerUnit: z.number().min(0.001).max(100_000).optional().describe('what one unit sends'),
        requestsPerSecondPerUnit: z.number().min(0.1).max(1_000_000).optional(),
      })
      .refine(
        (targets) => Object.values(targets).some((value) => value !== undefined),
        'at least one target',
      ),
    ...timing,
    schedules: schedules(STREAMING_UNITS_MAX),
  })
  .refine(isInOrder, inOrder)
  .meta({ id: 'StreamingAutoscaleBody' });

export const EncodingAutoscaleBody = z
  .strictObject({
    ...units(0, ENCODING_UNITS_MAX),
    targets: z.strictObject({
      jobsPerUnit: z.number().min(0.01).max(1_000).describe('jobs that wait or run, for each unit'),
    }),
    ...timing,
    schedules: schedules(ENCODING_UNITS_MAX),
  })
  .refine(isInOrder, inOrder)
  .meta({ id: 'EncodingAutoscaleBody' });

export type AutoscaleBody = z.output<typeof StreamingAutoscaleBody> | z.output<typeof EncodingAutoscaleBody>;

const load = z.object({
  recent: z.number().describe('in the newest minute'),
  highest: z.number().describe('within the window'),
});

export const AutoscaleAnswer = z
  .object({
    target: z.string(),
    minimum: z.number(),
    maximum: z.number(),
    targets: z.record(z.string(), z.number()),
    window: z.string(),
    scaleUpCoolDown: z.string(),
    scaleDownCoolDown: z.string(),
    schedules: z.array(
      z.union([
        z.object({ from: z.string(), until: z.string(), minimum: z.number() }),
        z.object({ days: z.array(z.string()), at: z.string(), duration: z.string(), minimum: z.number() }),
      ]),
    ),
    lastScaledAt: z.iso.datetime().nullable(),
    lastDecision: z
      .object({
        at: z.iso.datetime(),
        from: z.number(),
        units: z.number(),
        reason: z.string(),
        loads: z.record(z.string(), load),
      })
      .nullable(),
    href: z.string(),
  })
  .meta({ id: 'Autoscale' });
