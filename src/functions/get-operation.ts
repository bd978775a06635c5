import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getOperation } from '../lib/http/operations.ts';

app.http('getOperation', {
  ...trigger('getOperation'),
  handler: handle((call) => getOperation(call, services())),
});
