import type { ArmRoute } from './arm-http.ts';
import { ASSET_ROUTES } from './asset-routes.ts';
import { ASSET_TRACK_ROUTES } from './asset-track-routes.ts';
import { CONTENT_KEY_POLICY_ROUTES } from './content-key-policy-routes.ts';
import { ENCODING_CAPACITY_ROUTES } from './encoding-capacity-routes.ts';
import { JOB_ROUTES } from './job-routes.ts';
import { LIVE_EVENT_ROUTES } from './live-event-routes.ts';
import { LIVE_OUTPUT_ROUTES } from './live-output-routes.ts';
import { LIVE_TELEMETRY_ROUTES } from './live-telemetry-routes.ts';
import { MEDIA_FILTER_ROUTES } from './media-filter-routes.ts';
import { METRICS_ROUTES } from './metrics-routes.ts';
import { OPERATION_STATUS_ROUTES } from './operation-routes.ts';
import { STREAMING_ENDPOINT_ROUTES } from './streaming-endpoint-routes.ts';
import { STREAMING_LOCATOR_ROUTES } from './streaming-locator-routes.ts';
import { STREAMING_POLICY_ROUTES } from './streaming-policy-routes.ts';
import { TRANSFORM_ROUTES } from './transform-routes.ts';

/** Everything below an account. */
export const ACCOUNT_SCOPED_ROUTES: readonly ArmRoute[] = [
  ...ASSET_ROUTES,
  ...ASSET_TRACK_ROUTES,
  ...MEDIA_FILTER_ROUTES,
  ...CONTENT_KEY_POLICY_ROUTES,
  ...STREAMING_POLICY_ROUTES,
  ...STREAMING_LOCATOR_ROUTES,
  ...LIVE_EVENT_ROUTES,
  ...LIVE_OUTPUT_ROUTES,
  ...LIVE_TELEMETRY_ROUTES,
  ...STREAMING_ENDPOINT_ROUTES,
  ...TRANSFORM_ROUTES,
  ...JOB_ROUTES,
  ...ENCODING_CAPACITY_ROUTES,
  ...METRICS_ROUTES,
  ...OPERATION_STATUS_ROUTES,
];
