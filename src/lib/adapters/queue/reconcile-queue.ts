import { openJsonQueue } from './json-queue.ts';

/** Messages `{"channel": name}` and `{"profile": name}`. */
export function openReconcileQueue(connectionString: string, queueName: string) {
  const queue = openJsonQueue(connectionString, queueName);
  return {
    warm: queue.warm,
    sendProfile: (profile: string) => queue.send({ profile }, 0),
    send: (channel: string, delaySeconds: number) => queue.send({ channel }, delaySeconds),
  };
}
