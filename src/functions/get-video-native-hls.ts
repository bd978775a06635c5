import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getVideoNativeHlsCall } from '../lib/http/playback.ts';

app.http('getVideoNativeHls', {
  ...trigger('getVideoNativeHls'),
  handler: handle((call) => getVideoNativeHlsCall(call, services())),
});
