import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getVideoCall } from '../lib/http/videos.ts';

app.http('getVideo', {
  ...trigger('getVideo'),
  handler: handle((call) => getVideoCall(call, services())),
});
