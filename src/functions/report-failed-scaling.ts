import { app } from '@azure/functions';
import { SCALE_QUEUE, services } from '../lib/composition.ts';
import { bounded } from '../lib/queues/bounded.ts';
import { onScalePoison } from '../lib/queues/on-scale-request.ts';

app.storageQueue('reportFailedScaling', {
  queueName: `${SCALE_QUEUE}-poison`,
  connection: 'AzureWebJobsStorage',
  handler: bounded((message) => onScalePoison(message, services())),
});
