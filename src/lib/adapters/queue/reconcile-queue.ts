import { openJsonQueue } from './json-queue.ts';

/** Messages `{"channel": name}`. */
export function openReconcileQueue(connectionString: string, queueName: string) {
  const queue = openJsonQueue(connectionString, queueName);
  return {
    warm: queue.warm,
    send: (channel: string, delaySeconds: number) => queue.send({ channel }, delaySeconds),
  };
}
