import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { sweepDue } from '../lib/timers/sweep-due.ts';

app.timer('sweepDue', { schedule: '*/5 * * * * *', handler: () => sweepDue(services()) });
