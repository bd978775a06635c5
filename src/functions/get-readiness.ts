import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { readiness } from '../lib/http/health.ts';

app.http('getReadiness', { ...trigger('getReadiness'), handler: handle(() => readiness(services)) });
