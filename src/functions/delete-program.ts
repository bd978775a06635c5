import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { deleteProgramCall } from '../lib/http/programs.ts';

app.http('deleteProgram', {
  ...trigger('deleteProgram'),
  handler: handle((call) => deleteProgramCall(call, services())),
});
