import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { runChannelCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('standbyChannel', {
  ...trigger('standbyChannel'),
  handler: handle((call) => runChannelCall('standby', call, services())),
});
