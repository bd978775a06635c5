import { app } from '@azure/functions';
import { RECONCILE_QUEUE } from '../lib/composition.ts';
import { bounded } from '../lib/queues/bounded.ts';
import { onReconcilePoison } from '../lib/queues/on-reconcile.ts';

app.storageQueue('retryReconcile', {
  queueName: `${RECONCILE_QUEUE}-poison`,
  connection: 'AzureWebJobsStorage',
  handler: bounded(onReconcilePoison),
});
