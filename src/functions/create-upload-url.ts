import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { createUploadUrlCall } from '../lib/http/videos.ts';

app.http('createUploadUrl', {
  ...trigger('createUploadUrl'),
  handler: handle((call) => createUploadUrlCall(call, services())),
});
