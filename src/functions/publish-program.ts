import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { runProgramCall } from '../lib/http/programs.ts';

app.http('publishProgram', {
  ...trigger('publishProgram'),
  handler: handle((call) => runProgramCall('publish', call, services())),
});
