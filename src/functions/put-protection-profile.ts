import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { putProtectionProfileCall } from '../lib/http/protection.ts';

app.http('putProtectionProfile', {
  ...trigger('putProtectionProfile'),
  handler: handle((call) => putProtectionProfileCall(call, services())),
});
