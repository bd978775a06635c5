import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { listStreamingEndpointsCall } from '../lib/http/streaming-endpoints.ts';

app.http('listStreamingEndpoints', {
  ...trigger('listStreamingEndpoints'),
  handler: handle((call) => listStreamingEndpointsCall(call, services())),
});
