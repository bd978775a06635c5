import { openJsonQueue } from './json-queue.ts';

/** Messages `{"channel": name}`, `{"profile": name}`, `{"video": name}` and `{"import": id}`. */
export function openReconcileQueue(connectionString: string, queueName: string) {
  const queue = openJsonQueue(connectionString, queueName);
  return {
    warm: queue.warm,
    sendProfile: (profile: string) => queue.send({ profile }, 0),
    sendVideo: (video: string, delaySeconds: number) => queue.send({ video }, delaySeconds),
    sendImport: (id: string, delaySeconds: number) => queue.send({ import: id }, delaySeconds),
    send: (channel: string, delaySeconds: number) => queue.send({ channel }, delaySeconds),
  };
}
