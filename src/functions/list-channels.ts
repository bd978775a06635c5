import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { listChannelsCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('listChannels', {
  ...trigger('listChannels'),
  handler: handle((call) => listChannelsCall(call, services())),
});
