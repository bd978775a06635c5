import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { rotateStreamKeyCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('rotateStreamKey', {
  ...trigger('rotateStreamKey'),
  handler: handle((call) => rotateStreamKeyCall(call, services())),
});
