import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { putVideoCall } from '../lib/http/videos.ts';

app.http('putVideo', {
  ...trigger('putVideo'),
  handler: handle((call) => putVideoCall(call, services())),
});
