import type { ArmRoute } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';
import { liveEventRoutes } from './live-event-routes.ts';
import { liveOutputRoutes } from './live-output-routes.ts';
import { operationStatusRoutes } from './operation-routes.ts';
import { streamingEndpointRoutes } from './streaming-endpoint-routes.ts';

/** Live events, live outputs, streaming endpoints and the status of their operations. */
export function streamingRoutes(context: ControlContext): readonly ArmRoute[] {
  return [
    ...liveEventRoutes(context),
    ...liveOutputRoutes(context),
    ...streamingEndpointRoutes(context),
    ...operationStatusRoutes(context),
  ];
}
