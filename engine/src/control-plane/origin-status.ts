import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { originStatusKey, streamingEndpointKey } from '../resources/row-keys.ts';
import { StreamingEndpointRecord } from '../resources/streaming-endpoint.ts';
import type { ControlStore } from './control-store.ts';

/** An origin reports at least every 5 s; one that was silent for longer than this is not there. */
const REPORT_FRESH_MS_MAX = 15_000;
const POLL_MS = 500;

/** What an origin says about itself in its status row (docs/architecture.md, "Scaling of origins"). */
const OriginReport = z.object({
  processes: z.number(),
  processesMax: z.number(),
  wantedUnits: z.number(),
  atMs: z.number(),
});

/**
 * Resolves when the endpoint's origin serves with as many processes as its row asks for, or when there is no origin
 * that reports: then the row is all there is.
 */
export async function originScaled(
  store: ControlStore,
  endpoint: string,
  { nowMs, signal }: { readonly nowMs: () => number; readonly signal: AbortSignal },
): Promise<void> {
  for (;;) {
    const [wanted, reported] = await Promise.all([
      store.find(streamingEndpointKey(endpoint)),
      store.find(originStatusKey(endpoint)),
    ]);
    if (wanted === undefined || reported === undefined) return;
    const { scaleUnits } = StreamingEndpointRecord.parse(wanted.body);
    const report = OriginReport.parse(reported.body);
    if (nowMs() - report.atMs > REPORT_FRESH_MS_MAX) return;
    const processesWanted = Math.min(Math.max(1, scaleUnits), report.processesMax);
    if (report.wantedUnits === scaleUnits && report.processes === processesWanted) return;
    await sleep(POLL_MS, undefined, { signal });
  }
}
