import { QueueServiceClient } from '@azure/storage-queue';
import { z } from 'zod';
import type { Log } from '../log.ts';
import { expandSettings, type HostSettings } from './host-settings.ts';
import { parseSchedule } from './ncrontab.ts';
import { storageConnection } from './outputs.ts';
import { openQueueListener } from './queue-listener.ts';
import { parseRetryPolicy, runWithRetries } from './retry-policy.ts';
import { type Listener, openTimerListener } from './timer-listener.ts';
import { type LoadedFunction, withTrigger } from './triggers.ts';

const QueueBinding = z.object({ queueName: z.string(), connection: z.string().optional() });
const TimerBinding = z.object({
  schedule: z.string(),
  runOnStartup: z.boolean().optional(),
  useMonitor: z.boolean().optional(),
});

/** Receives what the queue triggers wait for; all have begun when it resolves. */
export function openQueueListeners(
  functions: readonly LoadedFunction[],
  settings: HostSettings,
  log: Log,
): Promise<Listener[]> {
  return allOrNone(
    withTrigger(functions, 'queueTrigger').map(({ trigger, invoke }) => {
      const { queueName, connection } = QueueBinding.parse(trigger);
      return openQueueListener({
        queueName: expandSettings(queueName, settings.env),
        service: QueueServiceClient.fromConnectionString(storageConnection(connection, settings.env)),
        settings: settings.queues,
        invoke,
        log,
      });
    }),
  );
}

/** Runs the timer triggers, with their retry policies: they are the only ones that the real host retries. */
export function openTimers(
  functions: readonly LoadedFunction[],
  settings: HostSettings,
  log: Log,
): Promise<Listener[]> {
  return allOrNone(
    withTrigger(functions, 'timerTrigger').map(async ({ info, trigger, invoke }) => {
      const { schedule, runOnStartup, useMonitor } = TimerBinding.parse(trigger);
      const policy = parseRetryPolicy(info.retryOptions);
      const stop = new AbortController();
      const listener = await openTimerListener({
        functionName: info.name,
        schedule: parseSchedule(expandSettings(schedule, settings.env)),
        runOnStartup: runOnStartup ?? false,
        useMonitor: useMonitor ?? true,
        stateDir: settings.stateDir,
        invoke: (timer) =>
          policy === undefined
            ? invoke(timer)
            : runWithRetries((retryContext) => invoke(timer, {}, { retryContext }), policy, stop.signal),
        log,
      });
      return {
        close() {
          stop.abort();
          return listener.close();
        },
      };
    }),
  );
}

/** One that cannot be opened closes the others. */
async function allOrNone(opening: readonly Promise<Listener>[]): Promise<Listener[]> {
  const results = await Promise.allSettled(opening);
  const open = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return open;
  await Promise.allSettled(open.map((listener) => listener.close()));
  throw failed.reason;
}
