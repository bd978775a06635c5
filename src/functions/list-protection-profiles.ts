import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { listProtectionProfilesCall } from '../lib/http/protection.ts';

app.http('listProtectionProfiles', {
  ...trigger('listProtectionProfiles'),
  handler: handle((call) => listProtectionProfilesCall(call, services())),
});
