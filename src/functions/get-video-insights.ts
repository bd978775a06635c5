import { app } from '@azure/functions';
import { services } from '../lib/composition.ts';
import { handle, trigger } from '../lib/http/handle.ts';
import { getVideoInsightsCall } from '../lib/http/videos.ts';

app.http('getVideoInsights', {
  ...trigger('getVideoInsights'),
  handler: handle((call) => getVideoInsightsCall(call, services())),
});
