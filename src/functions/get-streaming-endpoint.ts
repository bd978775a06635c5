import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getStreamingEndpointCall } from '../lib/http/streaming-endpoints.ts';

app.http('getStreamingEndpoint', {
  ...trigger('getStreamingEndpoint'),
  handler: handle((call) => getStreamingEndpointCall(call, services())),
});
