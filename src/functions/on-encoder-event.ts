import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { onLiveEvent } from '../lib/events/on-live-event.ts';

app.eventGrid('onEncoderEvent', { handler: (received) => onLiveEvent(received, services()) });
