import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { putProgramCall } from '../lib/http/programs.ts';

app.http('putProgram', {
  ...trigger('putProgram'),
  handler: handle((call) => putProgramCall(call, services())),
});
