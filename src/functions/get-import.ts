import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getImportCall } from '../lib/http/imports.ts';

app.http('getImport', {
  ...trigger('getImport'),
  handler: handle((call) => getImportCall(call, services())),
});
