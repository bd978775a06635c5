import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { listTimelineCall } from '../lib/http/channels.ts';
import { handle, trigger } from '../lib/http/handle.ts';

app.http('listTimeline', {
  ...trigger('listTimeline'),
  handler: handle((call) => listTimelineCall(call, services())),
});
