import type { Services } from '../composition.ts';
import { ReconcileMessage } from '../contracts/live-event-event.ts';
import { log } from '../log.ts';

/** A message that is not ours is dropped; a failure is tried again and ends in the poison queue. */
export async function onReconcile(message: unknown, app: Services): Promise<void> {
  const parsed = ReconcileMessage.safeParse(message);
  if (!parsed.success) {
    log('warn', 'reconcile.ignored', { reason: 'malformed' });
    return;
  }
  if ('channel' in parsed.data) await app.reconcile(parsed.data.channel);
  else if ('profile' in parsed.data) await app.reconcileProfile(parsed.data.profile);
  else if ('video' in parsed.data) await app.reconcileVideo(parsed.data.video);
  else await app.reconcileImport(parsed.data.import);
}

/** What failed for good is still due: the sweep goes on with it, this only says so. */
export function onReconcilePoison(message: unknown): void {
  const parsed = ReconcileMessage.safeParse(message);
  log('error', 'reconcile.poison', parsed.success ? parsed.data : {});
}
