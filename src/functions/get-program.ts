import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getProgramCall } from '../lib/http/programs.ts';

app.http('getProgram', {
  ...trigger('getProgram'),
  handler: handle((call) => getProgramCall(call, services())),
});
