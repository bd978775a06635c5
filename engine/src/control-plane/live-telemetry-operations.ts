import { LiveEventRecord } from '../resources/live-event.ts';
import {
  LIVE_TELEMETRY_ANSWERS,
  type LiveTelemetryAnswer,
  noTelemetry,
} from '../resources/live-telemetry.ts';
import { liveEventKey } from '../resources/row-keys.ts';
import type { OperationKind } from './operation.ts';

/** Longer than anybody polls for it; the next one is asked for anew. */
const KEPT_MS = 10 * 60_000;

/** What is known of the encoders of a live event; its result is the answer, the live event goes on as it is. */
export const liveTelemetryOperation = (answer: LiveTelemetryAnswer): OperationKind => ({
  name: `liveTelemetry.${answer}`,
  type: 'liveevent',
  keptMs: KEPT_MS,
  steps: [
    {
      work: async ({ liveRuntime, store, nowMs }, { target }) => {
        const row = await store.find(liveEventKey(target));
        const state = row === undefined ? 'Stopped' : LiveEventRecord.parse(row.body).state;
        const known = await liveRuntime.telemetry(target);
        const telemetry = known ?? noTelemetry(new Date(nowMs()).toISOString());
        return LIVE_TELEMETRY_ANSWERS[answer](telemetry, state);
      },
    },
  ],
  failed: async () => [],
});

export const LIVE_TELEMETRY_OPERATIONS: readonly OperationKind[] = [
  liveTelemetryOperation('status'),
  liveTelemetryOperation('streamEvents'),
  liveTelemetryOperation('heartbeats'),
];
