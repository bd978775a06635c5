import { app } from '@azure/functions';
import { SCALE_QUEUE, services } from '../lib/composition.ts';
import { onScaleRequest } from '../lib/queues/on-scale-request.ts';

app.storageQueue('carryOutScaling', {
  queueName: SCALE_QUEUE,
  connection: 'AzureWebJobsStorage',
  handler: (message) => onScaleRequest(message, services()),
});
