import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { runChannelCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('stopChannel', {
  ...trigger('stopChannel'),
  handler: handle((call) => runChannelCall('stop', call, services())),
});
