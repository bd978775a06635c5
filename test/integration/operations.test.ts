import { createHttpPoller, type LongRunningOperation, type LroResponse } from '@azure/core-lro';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { onScalePoison, onScaleRequest } from '../../src/lib/queues/on-scale-request.ts';
import { type Json, openHttpApp } from '../support/http-app.ts';
import { openMemoryApp } from '../support/memory-app.ts';

let world: ReturnType<typeof openMemoryApp>;
let server: Awaited<ReturnType<ReturnType<typeof openHttpApp>['listen']>>;
let settling: NodeJS.Timeout;

beforeEach(async () => {
  world = openMemoryApp({ slow: true });
  server = await openHttpApp(world.app).listen();
  // The media service needs a while for everything, and the sweep comes by.
  settling = setInterval(() => {
    world.settle();
    world.advance(1000);
    world.sweep().catch(() => {});
    world.settleScaling();
    for (const message of world.scaleMessages.splice(0)) onScaleRequest(message, world.app).catch(() => {});
    for (const message of world.poisonMessages.splice(0)) onScalePoison(message, world.app).catch(() => {});
  }, 100);
});

afterEach(async () => {
  clearInterval(settling);
  await server.close();
});

async function send(method: string, path: string, body?: object): Promise<LroResponse<Json>> {
  const url = path.startsWith('http') ? path : `${server.base}/api/v1${path}`;
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(url, { method, ...sent });
  const parsed: Json = await response.json();
  const headers = Object.fromEntries(response.headers);
  return { flatResponse: parsed, rawResponse: { statusCode: response.status, headers, body: parsed } };
}

const operation = (method: string, path: string, body?: object): LongRunningOperation<Json> => ({
  requestMethod: method,
  requestPath: path,
  sendInitialRequest: () => send(method, path, body),
  sendPollRequest: (location) => send('GET', location),
});

describe('@azure/core-lro, unmodified', () => {
  it('follows a start and a deletion to their ends', async () => {
    await send('PUT', '/channels/arena', {});
    const start = await createHttpPoller(operation('POST', '/channels/arena/start'), { intervalInMs: 50 });
    expect(start.isDone()).toBe(false);
    const started: Json = await start.pollUntilDone();
    expect([started.status, start.getOperationState().status]).toEqual(['Succeeded', 'succeeded']);
    expect((await send('GET', '/channels/arena')).flatResponse.state).toBe('running');
    const stop = await createHttpPoller(operation('POST', '/channels/arena/stop'), { intervalInMs: 50 });
    await stop.pollUntilDone();
    const remove = await createHttpPoller(operation('DELETE', '/channels/arena'), { intervalInMs: 50 });
    await remove.pollUntilDone();
    expect(remove.getOperationState().status).toBe('succeeded');
    expect((await send('GET', '/channels/arena')).rawResponse.statusCode).toBe(404);
  });

  it('learns that an operation was superseded', async () => {
    await send('PUT', '/channels/arena', {});
    const start = await createHttpPoller(operation('POST', '/channels/arena/start'), { intervalInMs: 50 });
    await send('POST', '/channels/arena/stop');
    await expect(start.pollUntilDone()).rejects.toThrow(/canceled/);
    const { status } = start.getOperationState();
    const result: Json = start.getResult();
    expect([status, result.error.code]).toEqual(['canceled', 'superseded']);
  });

  it('follows a scaling, and learns why one failed', async () => {
    const scale = (units: number) => operation('POST', '/streaming-endpoints/default/scale', { units });
    const poller = await createHttpPoller(scale(3), { intervalInMs: 50 });
    const done: Json = await poller.pollUntilDone();
    expect([done.status, world.scaleState.units.get('default')]).toEqual(['Succeeded', 3]);
    const refusal = { kind: 'refused', code: 'BadRequest', message: 'Not that many.' } as const;
    world.scaleState.answers.push(refusal);
    const failing = await createHttpPoller(scale(7), { intervalInMs: 50 });
    await expect(failing.pollUntilDone()).rejects.toThrow(/BadRequest.*Not that many/);
  });
});
