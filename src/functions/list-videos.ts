import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { listVideosCall } from '../lib/http/videos.ts';

app.http('listVideos', {
  ...trigger('listVideos'),
  handler: handle((call) => listVideosCall(call, services())),
});
