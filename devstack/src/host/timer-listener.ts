import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { describeError, type Log } from '../log.ts';
import type { Schedule } from './ncrontab.ts';
import type { InvocationResponse, RpcTypedData } from './worker-protocol.ts';

export interface TimerListenerOptions {
  readonly functionName: string;
  readonly schedule: Schedule;
  readonly runOnStartup: boolean;
  readonly useMonitor: boolean;
  /** Undefined: the schedule's status is not kept. */
  readonly stateDir: string | undefined;
  readonly invoke: (timer: RpcTypedData) => Promise<InvocationResponse>;
  readonly log: Log;
}

export interface Listener {
  close(): Promise<void>;
}

// A longer setTimeout fires at once.
const WAIT_MS_MAX = 24 * 3_600_000;
// TimerTriggerAttributeBindingProvider: schedules that run more often than this are not monitored.
const MONITORED_INTERVAL_MS_MIN = 60_000;

const ScheduleStatus = z.object({
  Last: z.iso.datetime().nullable(),
  Next: z.iso.datetime(),
  LastUpdated: z.iso.datetime(),
});
type ScheduleStatus = z.infer<typeof ScheduleStatus>;

/** Runs a function by its schedule, one run at a time; a run missed while the host was down is made up once. */
export async function openTimerListener(options: TimerListenerOptions): Promise<Listener> {
  const timer = new TimerListener(options);
  await timer.open();
  return timer;
}

class TimerListener implements Listener {
  readonly #options: TimerListenerOptions;
  readonly #file: string | undefined;
  #status: ScheduleStatus | undefined;
  #timeout: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: TimerListenerOptions) {
    this.#options = options;
    const { stateDir, functionName } = options;
    this.#file = stateDir === undefined ? undefined : join(stateDir, 'timers', `${functionName}.json`);
  }

  async open(): Promise<void> {
    const now = new Date();
    if (this.#isMonitored(now)) this.#status = await this.#readStatus();
    const missed = this.#status !== undefined && new Date(this.#status.Next) <= now;
    if (missed || this.#options.runOnStartup) this.#running = this.#run(missed);
    else this.#arm(this.#nextAfter(now));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timeout);
    await this.#running;
  }

  #isMonitored(now: Date): boolean {
    const first = this.#options.schedule.next(now);
    const second = first && this.#options.schedule.next(first);
    return (
      this.#options.useMonitor &&
      first !== undefined &&
      (second === undefined || second.getTime() - first.getTime() >= MONITORED_INTERVAL_MS_MIN)
    );
  }

  #nextAfter(time: Date): Date | undefined {
    return this.#options.schedule.next(time);
  }

  #arm(due: Date | undefined): void {
    if (this.#closed || due === undefined) return;
    const waitMs = Math.min(Math.max(due.getTime() - Date.now(), 0), WAIT_MS_MAX);
    this.#timeout = setTimeout(() => {
      if (due.getTime() > Date.now()) this.#arm(due);
      else this.#running = this.#run(false);
    }, waitMs);
  }

  async #run(isPastDue: boolean): Promise<void> {
    const startedAt = new Date();
    try {
      const response = await this.#options.invoke({
        json: JSON.stringify({
          Schedule: { AdjustForDST: true },
          ScheduleStatus: this.#status ?? null,
          IsPastDue: isPastDue,
        }),
      });
      if (response.result.status === 'failure') {
        this.#options.log.error('timer.failed', {
          function: this.#options.functionName,
          message: response.result.exception?.message,
        });
      }
    } catch (error) {
      this.#options.log.error('timer.failed', {
        function: this.#options.functionName,
        ...describeError(error),
      });
    }
    // From now, not from when it was due: a run that took longer than the interval is not followed by a crowd.
    const next = this.#nextAfter(new Date());
    if (next !== undefined && this.#isMonitored(startedAt)) await this.#writeStatus(startedAt, next);
    this.#arm(next);
  }

  async #readStatus(): Promise<ScheduleStatus | undefined> {
    if (this.#file === undefined) return undefined;
    try {
      return ScheduleStatus.parse(JSON.parse(await readFile(this.#file, 'utf8')));
    } catch {
      // None yet, or unreadable: then nothing is known to be missed. The first one says what is next.
      const next = this.#nextAfter(new Date());
      if (next !== undefined) await this.#writeStatus(undefined, next);
      return this.#status;
    }
  }

  async #writeStatus(last: Date | undefined, next: Date): Promise<void> {
    this.#status = {
      Last: last?.toISOString() ?? null,
      Next: next.toISOString(),
      LastUpdated: new Date().toISOString(),
    };
    if (this.#file === undefined) return;
    try {
      await mkdir(dirname(this.#file), { recursive: true });
      await writeFile(`${this.#file}.tmp`, JSON.stringify(this.#status));
      await rename(`${this.#file}.tmp`, this.#file);
    } catch (error) {
      this.#options.log.warn('timer.statusNotStored', describeError(error));
    }
  }
}
