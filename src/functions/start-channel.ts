import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { runChannelCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('startChannel', {
  ...trigger('startChannel'),
  handler: handle((call) => runChannelCall('start', call, services())),
});
