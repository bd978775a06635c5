import type { LiveTelemetryAnswer } from '../resources/live-telemetry.ts';
import type { ArmRoute } from './arm-http.ts';
import { getLiveEvent } from './live-rows.ts';
import { liveTelemetryOperation } from './live-telemetry-operations.ts';
import { accepted, beginOrBusy } from './operation-routes.ts';

/** The api-versions that know them. */
const API_VERSIONS = ['2022-11-01'];

/** How the encoders of a live event do; begun while other operations on it run, too. */
export const LIVE_TELEMETRY_ROUTES: readonly ArmRoute[] = [
  route('getStatus', 'status'),
  route('getStreamEvents', 'streamEvents'),
  route('getTrackIngestHeartbeats', 'heartbeats'),
];

function route(path: string, answer: LiveTelemetryAnswer): ArmRoute {
  return {
    method: 'POST',
    path: `/liveEvents/:liveEvent/${path}`,
    apiVersions: API_VERSIONS,
    handle: async (context, request) => {
      const { record } = await getLiveEvent(context, request);
      const operation = context.operations.prepare(liveTelemetryOperation(answer), {
        target: record.name,
        resource: `liveevents/${record.name}`,
      });
      await beginOrBusy(context, operation, []);
      return accepted(context, request, { status: 202, operation });
    },
  };
}
