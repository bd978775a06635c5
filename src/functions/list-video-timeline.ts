import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { listVideoTimelineCall } from '../lib/http/videos.ts';

app.http('listVideoTimeline', {
  ...trigger('listVideoTimeline'),
  handler: handle((call) => listVideoTimelineCall(call, services())),
});
