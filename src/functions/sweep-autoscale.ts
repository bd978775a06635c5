import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { sweepAutoscale } from '../lib/timers/sweep-autoscale.ts';

app.timer('sweepAutoscale', { schedule: '*/10 * * * * *', handler: () => sweepAutoscale(services()) });
