import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { operationId } from '../contracts/fields.ts';
import { Problem } from '../domain/errors.ts';
import { isFinal, type Operation } from '../domain/operation.ts';
import { errorFields, log } from '../log.ts';
import { type Call, json, parameter } from './handle.ts';
import { operationView } from './views.ts';

const WAIT_SECONDS_MAX = 10;
const POLL_MS = 100;
/** What is read of a video is more, and encoding takes longer. */
const VIDEO_POLL_MS = 500;

/** 202 with where to ask; with `Prefer: wait`, 200 when it is over by then (RFC 7240 §4.3). */
export async function answerOperation(
  call: Call,
  operation: Operation,
  app: Services,
): Promise<HttpResponseInit> {
  const asked = /(?:^|[,\s])wait=(\d{1,3})/.exec(call.request.headers.get('prefer') ?? '')?.[1];
  const deadlineMs = app.clock.now() + Math.min(Number(asked ?? 0), WAIT_SECONDS_MAX) * 1000;
  const pollMs = operation.video === undefined ? POLL_MS : VIDEO_POLL_MS;
  let latest = operation;
  const advance = async () => {
    if (operation.channel !== undefined) await tryReconcile(operation.channel, app);
    if (operation.video !== undefined) await tryReconcileVideo(operation.video, app);
    latest = (await app.operations.find(operation.id)) ?? latest;
  };
  await advance();
  while (!isFinal(latest) && app.clock.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    await advance();
  }
  const view = operationView(latest);
  const isDone = asked !== undefined && isFinal(latest);
  return json(isDone ? 200 : 202, view, {
    'operation-location': absolute(call, `/api/v1/operations/${operation.id}`),
    ...(isDone ? {} : { 'retry-after': '1' }),
    ...(asked === undefined ? {} : { 'preference-applied': `wait=${asked}` }),
  });
}

/** What is wanted is stored already: when the media service cannot be reached now, the sweep goes on with it. */
export async function tryReconcile(channel: string, app: Services): Promise<void> {
  try {
    await app.reconcile(channel);
  } catch (error) {
    log('warn', 'reconcile.failed', { channel, ...errorFields(error) });
  }
}

/** The same for a video. */
async function tryReconcileVideo(video: string, app: Services): Promise<void> {
  try {
    await app.reconcileVideo(video);
  } catch (error) {
    log('warn', 'reconcile.failed', { video, ...errorFields(error) });
  }
}

/** What is wanted is stored and due already: a message that cannot be sent makes it later, not wrong. */
export async function askForReconcile(channel: string, app: Services): Promise<void> {
  try {
    await app.queue.send(channel, 0);
  } catch (error) {
    log('warn', 'reconcile.notAsked', { channel, ...errorFields(error) });
  }
}

const absolute = (call: Call, path: string): string => new URL(path, call.request.url).href;

export async function getOperation(call: Call, app: Services): Promise<HttpResponseInit> {
  const id = parameter(call, 'operation', operationId);
  const operation = await app.operations.find(id);
  if (operation === undefined)
    throw new Problem('operationNotFound', { detail: `There is no operation ${id}.` });
  return json(200, operationView(operation), isFinal(operation) ? {} : { 'retry-after': '1' });
}
