import { setTimeout as sleep } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';
import { LiveTelemetry } from '../resources/live-telemetry.ts';

/** What the control plane asks of the media side. Level-triggered: the rows say what is wanted. */
export interface LiveRuntime {
  /** Re-reads the live event's rows and resolves when what is actual matches them. */
  refresh(liveEventId: string): Promise<void>;
  /** What is remembered of the live event's encoders; undefined when nobody remembers anything. */
  telemetry(liveEventId: string): Promise<LiveTelemetry | undefined>;
}

/** An owner that nobody can reach is asked again, as it may just be starting. */
const UNREACHED_MAX = 3;
const PAUSE_MS = 200;
/** Less than an attempt of an operation may take. */
const ANSWER_MS_MAX = 25_000;
const TELEMETRY_MS_MAX = 10_000;
/** Nobody listens there: not an owner that is slow or behind a network that loses packets. */
const NOBODY_THERE: readonly unknown[] = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'];

export interface OwnersLiveRuntimeDeps {
  /** Where the process that owns the live event is reached, `http://host:port`; undefined when nobody does. */
  readonly ownerOf: (liveEventId: string) => Promise<string | undefined>;
  /** This process: asked when it is the owner itself, when nobody is, and when the owner is gone. */
  readonly here: LiveRuntime & { readonly address: string };
  readonly log: { warn(event: string, fields?: object): void };
}

/**
 * Has a live event refreshed by the ingest process that owns it (docs/architecture.md, "Control → live"). Whoever becomes
 * its owner reads the rows after that, so rows that were changed before are never missed.
 */
export function createOwnersLiveRuntime({ ownerOf, here, log }: OwnersLiveRuntimeDeps): LiveRuntime {
  return {
    async refresh(liveEventId) {
      for (let unreached = 0; unreached < UNREACHED_MAX; unreached += 1) {
        if (unreached > 0) await sleep(PAUSE_MS * 2 ** unreached);
        const address = await ownerOf(liveEventId);
        if (address === undefined || address === here.address) return here.refresh(liveEventId);
        if ((await askOwner(address, liveEventId)) === 'refreshed') return;
      }
      log.warn('control.ownerGone', { liveEventId });
      await here.refresh(liveEventId);
    },
    async telemetry(liveEventId) {
      const address = await ownerOf(liveEventId);
      if (address === undefined || address === '' || address === here.address)
        return here.telemetry(liveEventId);
      return askTelemetry(address, liveEventId);
    },
  };
}

/** Telemetry of an owner that cannot be reached is none: it dies with the owner. */
async function askTelemetry(address: string, liveEventId: string): Promise<LiveTelemetry | undefined> {
  const url = `${address}/live-events/${encodeURIComponent(liveEventId)}/telemetry`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TELEMETRY_MS_MAX) });
    if (response.status !== 200) {
      await response.body?.cancel();
      return undefined;
    }
    return LiveTelemetry.parse(await response.json());
  } catch (error) {
    if (isNobodyThere(error)) return undefined;
    throw error;
  }
}

function isNobodyThere(error: unknown): boolean {
  return isNativeError(error) && NOBODY_THERE.includes(Reflect.get(Object(error.cause), 'code'));
}

async function askOwner(address: string, liveEventId: string): Promise<'refreshed' | 'unreachable'> {
  const url = `${address}/live-events/${encodeURIComponent(liveEventId)}/refresh`;
  let status: number;
  try {
    const response = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    await response.body?.cancel();
    status = response.status;
  } catch (error) {
    if (isNobodyThere(error)) return 'unreachable';
    throw error;
  }
  if (status === 204) return 'refreshed';
  throw new Error(`the owner of ${liveEventId} answered ${status} to a refresh`);
}
