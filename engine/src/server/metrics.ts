import { randomUUID } from 'node:crypto';
import { readJobCounts } from '../control-plane/job-counts.ts';
import type { EventRecorder, NewEvent } from '../events/event-recorder.ts';
import { ingestMeasurements } from '../metrics/ingest-measurements.ts';
import { MetricRecorder } from '../metrics/metric-recorder.ts';
import { sweepMetrics } from '../metrics/metric-sweep.ts';
import { QUOTA_RULES, type Quotas } from '../resources/quotas.ts';
import { metricPrefix, prefixes } from '../resources/row-keys.ts';
import type { HeadendTable } from '../store/headend-table.ts';
import type { Log } from './log.ts';

const WRITER_CHARS = 12;
const GAUGES_EVERY_MS = 60_000;
/** One storage request; encoders are scaled by it. */
const JOBS_EVERY_MS = 15_000;
const ASSETS_EVERY_MS = 3_600_000;
const SWEEP_EVERY_MS = 3_600_000;
const FIRST_SWEEP_AFTER_MS = 60_000;
/** As in the original (reference §1.5). */
const ASSET_QUOTA = 1_000_000;
const PERCENT = 100;

interface Deps {
  readonly table: HeadendTable;
  readonly log: Log;
}

/** What this process measures, written to the table of the account. */
export function openMetricRecorder({ table, log }: Deps): MetricRecorder {
  const clock = { now: () => Date.now() };
  // Who writes has rows of its own: processes may come and go within a minute.
  const writer = randomUUID().replaceAll('-', '').slice(0, WRITER_CHARS);
  return new MetricRecorder({ store: table, prefix: metricPrefix, writer, clock, log });
}

/** The same recorder, from whose heartbeats the metrics of live events are taken on the way. */
export function measuringEvents(events: EventRecorder, recorder: MetricRecorder): EventRecorder {
  return {
    record: (newEvents) => events.record(newEvents),
    emitTransient(newEvent: NewEvent) {
      for (const { liveEvent, metric, dimensions, value } of ingestMeasurements(newEvent)) {
        recorder.add(['liveevent', liveEvent], { metric, dimensions, value });
      }
      events.emitTransient(newEvent);
    },
  };
}

/** What is counted for the account, and the removal of what was measured long ago. */
export function startMetricsUpkeep(
  recorder: MetricRecorder,
  { table, log, quotas }: Deps & { readonly quotas: Quotas },
): { readonly ports: Readonly<Record<string, number>>; close(): Promise<void> } {
  const every = (work: () => Promise<unknown>, intervalMs: number, firstAfterMs: number) => {
    const run = (): void => {
      work().catch((error: unknown) => log.warn('metrics.upkeepFailed', { error }));
    };
    const timers = [setTimeout(run, firstAfterMs).unref(), setInterval(run, intervalMs).unref()];
    return () => timers.forEach(clearTimeout);
  };
  const gauge = (metric: string, value: number): void => recorder.add(['account'], { metric, value });
  const measureLiveEvents = async (): Promise<void> => {
    const rows = await table.list(prefixes.liveEvents, { limit: QUOTA_RULES.liveEvents.max });
    const running = rows.filter(({ body }) => Reflect.get(Object(body), 'state') === 'Running');
    gauge('ChannelsAndLiveEventsCount', rows.length);
    gauge('RunningChannelsAndLiveEventsCount', running.length);
    gauge('MaxChannelsAndLiveEventsCount', quotas.liveEvents);
  };
  const measureJobs = async (): Promise<void> => {
    const { queued, scheduled, processing } = await readJobCounts(table);
    gauge('JobsQueued', queued);
    gauge('JobsScheduled', scheduled);
    gauge('JobsProcessing', processing);
  };
  const measureAssets = async (): Promise<void> => {
    const count = await table.count(prefixes.assets, ASSET_QUOTA);
    gauge('AssetCount', count);
    gauge('JobQuota', quotas.jobs);
    gauge('AssetQuota', ASSET_QUOTA);
    gauge('AssetQuotaUsedPercentage', (count / ASSET_QUOTA) * PERCENT);
  };
  const stops = [
    every(measureLiveEvents, GAUGES_EVERY_MS, 0),
    every(measureJobs, JOBS_EVERY_MS, 0),
    every(measureAssets, ASSETS_EVERY_MS, 0),
    every(() => sweepMetrics(table, prefixes.metrics, Date.now()), SWEEP_EVERY_MS, FIRST_SWEEP_AFTER_MS),
  ];
  return {
    ports: {},
    async close() {
      for (const stop of stops) stop();
    },
  };
}
