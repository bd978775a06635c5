import type { LiveRuntime } from '../control-plane/live-runtime.ts';
import type { DeliveryDirectory } from '../delivery/delivery-directory.ts';
import type { EventRecorder } from '../events/event-recorder.ts';
import type { LiveDirectory } from '../live/live-directory.ts';
import type { MetricRecorder } from '../metrics/metric-recorder.ts';
import type { EngineIndex } from '../store/engine-index.ts';
import type { HeadendTable } from '../store/headend-table.ts';
import type { StorageAccounts } from '../store/storage-accounts.ts';
import type { AccountEvents } from './account-events.ts';
import type { EngineConfig } from './config.ts';
import type { Jobs } from './jobs.ts';
import type { Log } from './log.ts';

/** What every role is started with. */
export interface RoleDeps {
  readonly config: EngineConfig;
  readonly log: Log;
  readonly liveDirectory: LiveDirectory;
  readonly deliveryDirectory: DeliveryDirectory;
  readonly eventRecorder: EventRecorder;
  /** Of the engine's own account. */
  readonly table: HeadendTable;
  readonly index: EngineIndex;
  readonly storageAccounts: StorageAccounts;
  readonly jobs: Jobs;
  readonly metrics: MetricRecorder;
  readonly accountEvents: AccountEvents;
}

export interface RunningRole {
  /** Bound ports by name (`arm`, `identity`, `rtmp`, `feed`, `streaming`), for the ready line. */
  readonly ports: Readonly<Record<string, number>>;
  /** Takes no new work, finishes what is begun, frees its ports. */
  close(): Promise<void>;
}

/** The ingest gives the control plane of its process what carries its changes out. */
export interface RunningIngest extends RunningRole {
  readonly liveRuntime: LiveRuntime;
  /** What its ownership records say: where its live feed is. */
  readonly address: string;
}
