import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { scaleStreamingEndpointCall } from '../lib/http/scaling.ts';

app.http('scaleStreamingEndpoint', {
  ...trigger('scaleStreamingEndpoint'),
  handler: handle((call) => scaleStreamingEndpointCall(call, services())),
});
