import type { EventGridEvent } from '@azure/functions';
import type { Services } from '../composition.ts';
import { LiveEventEvent } from '../contracts/live-event-event.ts';
import { log } from '../log.ts';
import { handleLiveEvent } from '../workflows/handle-live-event.ts';
import { readNotice } from './read-notice.ts';

/**
 * Malformed and unknown events are answered with success: a redelivery would say the same for a day.
 * A failure of ours throws, so that Event Grid delivers again.
 */
export async function onLiveEvent(received: EventGridEvent, app: Services): Promise<void> {
  const parsed = LiveEventEvent.safeParse(received);
  const notice = parsed.success ? readNotice(parsed.data) : undefined;
  if (notice === undefined) {
    if (parsed.success) log('info', 'event.ignored', { type: parsed.data.eventType });
    else log('warn', 'event.malformed');
    return;
  }
  const result = await handleLiveEvent(notice, app);
  log('info', 'event.handled', { type: notice.type, channel: notice.channel, result });
}
