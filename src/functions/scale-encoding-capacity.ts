import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { scaleEncodingCapacityCall } from '../lib/http/scaling.ts';

app.http('scaleEncodingCapacity', {
  ...trigger('scaleEncodingCapacity'),
  handler: handle((call) => scaleEncodingCapacityCall(call, services())),
});
