import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { getStreamKeyCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('getStreamKey', {
  ...trigger('getStreamKey'),
  handler: handle((call) => getStreamKeyCall(call, services())),
});
