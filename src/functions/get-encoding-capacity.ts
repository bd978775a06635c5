import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getEncodingCapacityCall } from '../lib/http/scaling.ts';

app.http('getEncodingCapacity', {
  ...trigger('getEncodingCapacity'),
  handler: handle((call) => getEncodingCapacityCall(call, services())),
});
