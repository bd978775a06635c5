import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { runVideoCall } from '../lib/http/videos.ts';

app.http('encodeVideo', {
  ...trigger('encodeVideo'),
  handler: handle((call) => runVideoCall('encode', call, services())),
});
