import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getVideoTranscriptCall } from '../lib/http/videos.ts';

app.http('getVideoTranscript', {
  ...trigger('getVideoTranscript'),
  handler: handle((call) => getVideoTranscriptCall(call, services())),
});
