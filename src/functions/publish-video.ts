import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { runVideoCall } from '../lib/http/videos.ts';

app.http('publishVideo', {
  ...trigger('publishVideo'),
  handler: handle((call) => runVideoCall('publish', call, services())),
});
