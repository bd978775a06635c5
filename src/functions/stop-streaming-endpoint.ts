import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { runStreamingEndpointCall } from '../lib/http/streaming-endpoints.ts';

app.http('stopStreamingEndpoint', {
  ...trigger('stopStreamingEndpoint'),
  handler: handle((call) => runStreamingEndpointCall('stop', call, services())),
});
