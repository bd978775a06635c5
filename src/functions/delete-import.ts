import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { deleteImportCall } from '../lib/http/imports.ts';

app.http('deleteImport', {
  ...trigger('deleteImport'),
  handler: handle((call) => deleteImportCall(call, services())),
});
