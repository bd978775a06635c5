import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { runProgramCall } from '../lib/http/programs.ts';

app.http('startProgram', {
  ...trigger('startProgram'),
  handler: handle((call) => runProgramCall('start', call, services())),
});
