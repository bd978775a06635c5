import { app } from '@azure/functions';
import { RECONCILE_QUEUE, services } from '../lib/composition.ts';
import { onReconcile } from '../lib/queues/on-reconcile.ts';

app.storageQueue('reconcileChannel', {
  queueName: RECONCILE_QUEUE,
  connection: 'AzureWebJobsStorage',
  handler: (message) => onReconcile(message, services()),
});
