import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { onUpload } from '../lib/events/on-video-event.ts';

app.eventGrid('onUploadEvent', { handler: (received) => onUpload(received, services()) });
