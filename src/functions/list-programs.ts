import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { listProgramsCall } from '../lib/http/programs.ts';

app.http('listPrograms', {
  ...trigger('listPrograms'),
  handler: handle((call) => listProgramsCall(call, services())),
});
