import { app } from '@azure/functions';
import { openapiDocument } from '../lib/contracts/openapi.ts';
import { handle, json, trigger } from '../lib/http/handle.ts';

app.http('getOpenapi', {
  ...trigger('getOpenapi'),
  handler: handle(async () => json(200, openapiDocument())),
});
