import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { deleteStreamingEndpointAutoscaleCall } from '../lib/http/autoscale.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('deleteStreamingEndpointAutoscale', {
  ...trigger('deleteStreamingEndpointAutoscale'),
  handler: handle((call) => deleteStreamingEndpointAutoscaleCall(call, services())),
});
