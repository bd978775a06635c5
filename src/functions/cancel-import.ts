import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { cancelImportCall } from '../lib/http/imports.ts';

app.http('cancelImport', {
  ...trigger('cancelImport'),
  handler: handle((call) => cancelImportCall(call, services())),
});
