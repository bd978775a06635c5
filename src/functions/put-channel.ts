import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { putChannelCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('putChannel', {
  ...trigger('putChannel'),
  handler: handle((call) => putChannelCall(call, services())),
});
