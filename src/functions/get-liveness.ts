import { app } from '@azure/functions';
import { handle, trigger } from '../lib/http/handle.ts';
import { liveness } from '../lib/http/health.ts';

app.http('getLiveness', { ...trigger('getLiveness'), handler: handle(liveness) });
