import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { deleteProtectionProfileCall } from '../lib/http/protection.ts';

app.http('deleteProtectionProfile', {
  ...trigger('deleteProtectionProfile'),
  handler: handle((call) => deleteProtectionProfileCall(call, services())),
});
