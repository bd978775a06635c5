import { fork } from 'node:child_process';
import { OriginPool } from '../delivery/origin-pool.ts';
import { EndpointMeter } from '../metrics/endpoint-meter.ts';
import { originStatusKey } from '../resources/row-keys.ts';
import { DEFAULT_STREAMING_ENDPOINT } from '../resources/streaming-endpoint.ts';
import type { RoleDeps, RunningRole } from './role.ts';

/** What this program is started with to be a serving process. */
export const ORIGIN_PROCESS_COMMAND = 'serve-connections';

const LOOK_EVERY_MS = 1_000;
const REPORT_EVERY_MS = 5_000;
const MEASURE_EVERY_MS = 5_000;

/**
 * The streaming endpoint: one port, served by as many processes as its row asks for, and a status row that says how
 * many there are. Port name: `streaming`.
 */
export async function startOriginRole(deps: RoleDeps): Promise<RunningRole> {
  const { config, log, metrics } = deps;
  const follower = new EndpointFollower(deps);
  const meter = new EndpointMeter(performance.now());
  const measure = (): void =>
    metrics.addAll(['streamingendpoint', DEFAULT_STREAMING_ENDPOINT], meter.take(performance.now()));
  await follower.readWanted();
  const pool = await OriginPool.start(
    {
      host: config.bindAddress,
      port: config.ports.streaming,
      tlsPort: config.origin.tls?.port,
      startProcess: startServingProcess,
      log,
      onChange: () => follower.wake(),
      onServed: (report) => meter.add(report),
    },
    follower.processesWanted,
  );
  const following = follower.run(pool);
  const measuring = setInterval(measure, MEASURE_EVERY_MS).unref();
  return {
    ports: {
      streaming: pool.port,
      ...(pool.tlsPort === undefined ? {} : { streamingTls: pool.tlsPort }),
    },
    async close() {
      follower.stop();
      clearInterval(measuring);
      await pool.close();
      measure();
      await following;
    },
  };
}

/** This program again; its log goes where ours goes. */
function startServingProcess() {
  const [, program = ''] = process.argv;
  return fork(program, [ORIGIN_PROCESS_COMMAND], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
}

/** Reads what the endpoint's row asks for about once a second, sees to it, and reports what is so. */
class EndpointFollower {
  readonly #deps: RoleDeps;
  #units = 0;
  #isStopped = false;
  #isFailing = false;
  #reported = '';
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #wake: () => void = () => {};

  constructor(deps: RoleDeps) {
    this.#deps = deps;
  }

  get processesWanted(): number {
    return Math.min(Math.max(1, this.#units), this.#deps.config.originProcessesMax);
  }

  async readWanted(): Promise<void> {
    const units = await this.#deps.deliveryDirectory.streamingEndpointUnits(DEFAULT_STREAMING_ENDPOINT);
    this.#units = units ?? 0;
  }

  /** There is something to report. */
  wake(): void {
    this.#wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  async run(pool: OriginPool): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.readWanted();
        if (pool.size !== this.processesWanted) pool.resize(this.processesWanted);
        await this.#report(pool.ready);
        this.#isFailing = false;
      } catch (error) {
        // Viewers are served with what there is; said once, not every second.
        if (!this.#isFailing) this.#deps.log.warn('origin.endpointUnreadable', { error });
        this.#isFailing = true;
      }
      await this.#pause();
    }
  }

  async #report(processes: number): Promise<void> {
    const { originProcessesMax: processesMax } = this.#deps.config;
    const status = {
      ...{ endpoint: DEFAULT_STREAMING_ENDPOINT, processes, processesMax, wantedUnits: this.#units },
    };
    const atMs = Date.now();
    const text = JSON.stringify(status);
    if (text === this.#reported && atMs - this.#reportedAtMs < REPORT_EVERY_MS - LOOK_EVERY_MS) return;
    const rowKey = originStatusKey(DEFAULT_STREAMING_ENDPOINT);
    await this.#deps.table.commit([{ kind: 'upsert', rowKey, body: { ...status, atMs } }]);
    this.#reported = text;
    this.#reportedAtMs = atMs;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_EVERY_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#isStopped) this.#wake();
    });
  }
}
