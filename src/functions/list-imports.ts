import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { listImportsCall } from '../lib/http/imports.ts';

app.http('listImports', {
  ...trigger('listImports'),
  handler: handle((call) => listImportsCall(call, services())),
});
