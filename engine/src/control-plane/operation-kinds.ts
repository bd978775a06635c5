import { ASSET_TRACK_OPERATIONS } from './asset-track-operations.ts';
import { scaleEncodingCapacity } from './encoding-capacity-operations.ts';
import { LIVE_EVENT_OPERATIONS } from './live-event-operations.ts';
import { LIVE_TELEMETRY_OPERATIONS } from './live-telemetry-operations.ts';
import type { OperationKind } from './operation.ts';
import { STREAMING_ENDPOINT_OPERATIONS } from './streaming-endpoint-operations.ts';

/** Every kind of long-running operation: a process takes up what it finds of them in the table. */
export const OPERATION_KINDS: readonly OperationKind[] = [
  ...ASSET_TRACK_OPERATIONS,
  ...LIVE_EVENT_OPERATIONS,
  ...LIVE_TELEMETRY_OPERATIONS,
  ...STREAMING_ENDPOINT_OPERATIONS,
  scaleEncodingCapacity,
];
