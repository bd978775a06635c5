import type { Services } from '../composition.ts';
import { ScaleMessage } from '../contracts/scale.ts';
import { scaleKeyOf } from '../domain/scaling.ts';
import { log } from '../log.ts';
import { failScaling } from '../workflows/reconcile-scaling.ts';

const BUSY_SECONDS = 1;

/**
 * Carries out what was last asked for of the message's target, whatever this message asked for: told twice or late it
 * does no harm. A failure is tried again by the host and ends in the poison queue.
 */
export async function onScaleRequest(message: unknown, app: Services): Promise<void> {
  const parsed = ScaleMessage.safeParse(message);
  if (!parsed.success) {
    log('warn', 'scale.ignored', { reason: 'malformed' });
    return;
  }
  const key = scaleKeyOf(parsed.data);
  const result = await app.reconcileScaling(key);
  log('info', 'scale.looked', { key, operation: parsed.data.operation, result: result.kind });
  if (result.kind === 'busy') await app.scaleQueue.send(parsed.data, BUSY_SECONDS);
  // A message of a superseded request ends here: the latest request has its own.
  if (result.kind === 'waiting' && result.message.operation === parsed.data.operation)
    await app.scaleQueue.send(result.message, Math.ceil(result.delayMs / 1000));
}

/** What could not be carried out is told by its operation. */
export async function onScalePoison(message: unknown, app: Services): Promise<void> {
  const parsed = ScaleMessage.safeParse(message);
  if (!parsed.success) {
    log('error', 'scale.poison', { reason: 'malformed' });
    return;
  }
  await failScaling(parsed.data, app);
  log('error', 'scale.poison', { key: scaleKeyOf(parsed.data), operation: parsed.data.operation });
}
