import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { patchVideoCall } from '../lib/http/videos.ts';

app.http('patchVideo', {
  ...trigger('patchVideo'),
  handler: handle((call) => patchVideoCall(call, services())),
});
