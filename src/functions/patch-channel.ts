import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { patchChannelCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('patchChannel', {
  ...trigger('patchChannel'),
  handler: handle((call) => patchChannelCall(call, services())),
});
