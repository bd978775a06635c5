import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { putStreamingEndpointAutoscaleCall } from '../lib/http/autoscale.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('putStreamingEndpointAutoscale', {
  ...trigger('putStreamingEndpointAutoscale'),
  handler: handle((call) => putStreamingEndpointAutoscaleCall(call, services())),
});
