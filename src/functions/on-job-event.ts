import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { onJob } from '../lib/events/on-video-event.ts';

app.eventGrid('onJobEvent', { handler: (received) => onJob(received, services()) });
