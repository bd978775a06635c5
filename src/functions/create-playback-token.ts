import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { createPlaybackTokenCall } from '../lib/http/playback.ts';

app.http('createPlaybackToken', {
  ...trigger('createPlaybackToken'),
  handler: handle((call) => createPlaybackTokenCall(call, services())),
});
