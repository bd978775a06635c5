import type { InvocationContext } from '@azure/functions';
import { errorFields, log } from '../log.ts';

/** A poison queue has no poison queue: a host would deliver what fails there for ever. */
const DELIVERIES_MAX = 5;

/** A handler of a poison queue that gives a message up, and says so, when it has failed often enough. */
export const bounded =
  (work: (message: unknown) => Promise<void> | void) =>
  async (message: unknown, { triggerMetadata, functionName }: InvocationContext): Promise<void> => {
    try {
      await work(message);
    } catch (error) {
      const deliveries = Number(triggerMetadata?.['dequeueCount'] ?? 1);
      if (deliveries < DELIVERIES_MAX) throw error;
      log('error', 'poison.dropped', { function: functionName, deliveries, ...errorFields(error) });
    }
  };
