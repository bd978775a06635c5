import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getProtectionProfileCall } from '../lib/http/protection.ts';

app.http('getProtectionProfile', {
  ...trigger('getProtectionProfile'),
  handler: handle((call) => getProtectionProfileCall(call, services())),
});
