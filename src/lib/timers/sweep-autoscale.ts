import type { Services } from '../composition.ts';
import { errorFields, log } from '../log.ts';
import { runAutoscale } from '../workflows/run-autoscale.ts';

/** Looks at every target that a policy is stored for; without any it looks at nothing. */
export async function sweepAutoscale(app: Services): Promise<void> {
  for (const stored of await app.autoscales.list()) {
    const { kind, name } = stored.value.target;
    try {
      const { operation, ...decided } = await runAutoscale(stored, app);
      if (operation !== undefined) log('info', 'autoscale.asked', { kind, name, operation, ...decided });
    } catch (error) {
      // Without figures nothing is changed; the next look tries again.
      log('warn', 'autoscale.failed', { kind, name, ...errorFields(error) });
    }
  }
}
