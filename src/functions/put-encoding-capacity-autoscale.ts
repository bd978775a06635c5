import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { putEncodingCapacityAutoscaleCall } from '../lib/http/autoscale.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('putEncodingCapacityAutoscale', {
  ...trigger('putEncodingCapacityAutoscale'),
  handler: handle((call) => putEncodingCapacityAutoscaleCall(call, services())),
});
