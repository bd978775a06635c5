import type { EventGridEvent } from '@azure/functions';
import type { Services } from '../composition.ts';
import { BlobEvent, JobEvent } from '../contracts/video-events.ts';
import { videoOfJob } from '../domain/video.ts';
import { log } from '../log.ts';

/** The subject of a blob's event; what lies in a folder is none of ours. */
const BLOB = /^\/blobServices\/default\/containers\/([^/]{3,63})\/blobs\/[^/]+$/;
const JOB = /^\/?transforms\/[^/]{1,260}\/jobs\/([^/]{1,260})$/i;

/**
 * Something was uploaded. Nothing in the event is believed: the container is read. Malformed and unknown events are
 * answered with success; a failure of ours throws, so that Event Grid delivers again.
 */
export async function onUpload(received: EventGridEvent, app: Services): Promise<void> {
  const parsed = BlobEvent.safeParse(received);
  const container = parsed.success ? BLOB.exec(parsed.data.subject)?.[1] : undefined;
  const video = container === undefined ? undefined : await app.uploadIndex.find(container);
  await look(video, { received, app });
}

/** A job goes on, or has ended. The job is read: an event that is forged, late or told twice says nothing. */
export async function onJob(received: EventGridEvent, app: Services): Promise<void> {
  const parsed = JobEvent.safeParse(received);
  const job = parsed.success ? JOB.exec(parsed.data.subject)?.[1] : undefined;
  await look(job === undefined ? undefined : videoOfJob(job), { received, app });
}

async function look(
  video: string | undefined,
  { received, app }: { received: EventGridEvent; app: Services },
): Promise<void> {
  const type = String(received.eventType).slice(0, 200);
  if (video === undefined || (await app.videos.find(video)) === undefined) {
    log('info', 'event.ignored', { type });
    return;
  }
  const result = await app.reconcileVideo(video);
  log('info', 'event.handled', { type, video, result });
}
