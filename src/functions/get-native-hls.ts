import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getNativeHlsCall } from '../lib/http/playback.ts';

app.http('getNativeHls', {
  ...trigger('getNativeHls'),
  handler: handle((call) => getNativeHlsCall(call, services())),
});
