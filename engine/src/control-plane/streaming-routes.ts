import type { ArmRoute } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';
import { encodingCapacityRoutes } from './encoding-capacity-routes.ts';
import { liveEventRoutes } from './live-event-routes.ts';
import { liveOutputRoutes } from './live-output-routes.ts';
import { operationStatusRoutes } from './operation-routes.ts';
import { streamingEndpointRoutes } from './streaming-endpoint-routes.ts';

/** Live events, live outputs, streaming endpoints, the encoding capacity and the status of their operations. */
export function streamingRoutes(context: ControlContext): readonly ArmRoute[] {
  return [
    ...liveEventRoutes(context),
    ...liveOutputRoutes(context),
    ...streamingEndpointRoutes(context),
    ...encodingCapacityRoutes(context),
    ...operationStatusRoutes(context),
  ];
}
