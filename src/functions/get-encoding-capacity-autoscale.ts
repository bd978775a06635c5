import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { getEncodingCapacityAutoscaleCall } from '../lib/http/autoscale.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('getEncodingCapacityAutoscale', {
  ...trigger('getEncodingCapacityAutoscale'),
  handler: handle((call) => getEncodingCapacityAutoscaleCall(call, services())),
});
