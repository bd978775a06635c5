import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { getStreamingEndpointAutoscaleCall } from '../lib/http/autoscale.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('getStreamingEndpointAutoscale', {
  ...trigger('getStreamingEndpointAutoscale'),
  handler: handle((call) => getStreamingEndpointAutoscaleCall(call, services())),
});
