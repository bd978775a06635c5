import { openJsonQueue } from './json-queue.ts';

/** Messages `{"kind", "name", "operation"}`, and where those go that cannot be carried out. */
export function openScaleQueue(connectionString: string, queueName: string) {
  const queue = openJsonQueue(connectionString, queueName);
  const poison = openJsonQueue(connectionString, `${queueName}-poison`);
  return {
    async warm(): Promise<void> {
      await Promise.all([queue.warm(), poison.warm()]);
    },
    send: (message: object, delaySeconds: number) => queue.send(message, delaySeconds),
    giveUp: (message: object) => poison.send(message, 0),
  };
}
