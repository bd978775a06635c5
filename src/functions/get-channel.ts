import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { getChannelCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('getChannel', {
  ...trigger('getChannel'),
  handler: handle((call) => getChannelCall(call, services())),
});
