import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { runChannelCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('resetChannel', {
  ...trigger('resetChannel'),
  handler: handle((call) => runChannelCall('reset', call, services())),
});
