import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { createImportCall } from '../lib/http/imports.ts';

app.http('createImport', {
  ...trigger('createImport'),
  handler: handle((call) => createImportCall(call, services())),
});
