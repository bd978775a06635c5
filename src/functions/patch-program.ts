import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { patchProgramCall } from '../lib/http/programs.ts';

app.http('patchProgram', {
  ...trigger('patchProgram'),
  handler: handle((call) => patchProgramCall(call, services())),
});
