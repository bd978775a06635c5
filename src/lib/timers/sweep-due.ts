import type { Services } from '../composition.ts';
import { errorFields, log } from '../log.ts';

const PARALLEL_MAX = 8;

/** Reconciles what is due: what events would have said, and what only a clock says. */
export async function sweepDue(app: Services): Promise<void> {
  const names = [...(await app.due.due(app.clock.now()))];
  const worker = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      try {
        await app.reconcile(name);
        await app.timeline.prune(name);
      } catch (error) {
        // It stays due; the next sweep tries again.
        log('error', 'sweep.failed', { channel: name, ...errorFields(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_MAX }, worker));
}
