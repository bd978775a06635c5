import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { runVideoCall } from '../lib/http/videos.ts';

app.http('unpublishVideo', {
  ...trigger('unpublishVideo'),
  handler: handle((call) => runVideoCall('unpublish', call, services())),
});
