import { services } from './composition.ts';
import { errorFields, log } from './log.ts';

/** Does at the start of a process what its first event would wait for: SDKs loaded, a token, tables, connections. */
export async function warmUp(): Promise<void> {
  const startedAtMs = performance.now();
  try {
    await services().warm();
    log('info', 'app.warm', { milliseconds: Math.round(performance.now() - startedAtMs) });
  } catch (error) {
    // Whatever is missing now is met again by the first call, which answers for it.
    log('warn', 'app.notWarm', errorFields(error));
  }
}
