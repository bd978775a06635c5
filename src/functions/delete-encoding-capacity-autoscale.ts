import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { deleteEncodingCapacityAutoscaleCall } from '../lib/http/autoscale.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('deleteEncodingCapacityAutoscale', {
  ...trigger('deleteEncodingCapacityAutoscale'),
  handler: handle((call) => deleteEncodingCapacityAutoscaleCall(call, services())),
});
