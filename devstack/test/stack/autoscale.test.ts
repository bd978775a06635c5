import { Agent, get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiBody } from '../support/headend-api.ts';
import { type Stack, startStack } from '../support/stack.ts';

const ENDPOINT = '/streaming-endpoints/default';
const VIEWERS = 12;
const THINK_MS = 100;
/** A look each ten seconds, figures each five, and those of less than ten seconds of a minute say nothing. */
const UP_WITHIN_MS = 90_000;
/** The minute of the load has to be over. */
const DOWN_WITHIN_MS = 150_000;

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ demo: true });
}, 120_000);

afterAll(() => stack?.stop(), 60_000);

interface Watched {
  answered: number;
  readonly failed: string[];
}

/** One look at a playlist or a segment, on a connection that is kept. */
function fetchText(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString('latin1'));
        else reject(new Error(`${response.statusCode} of ${url}`));
      });
    });
    request.once('error', reject);
  });
}

const lastLine = (playlist: string): string =>
  playlist
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .at(-1) ?? '';

/** Players that follow the show: multivariant playlist, media playlist, newest segment, over and over. */
function startViewers(hls: string): { readonly watched: Watched; stop(): Promise<void> } {
  const watched: Watched = { answered: 0, failed: [] };
  let isStopped = false;
  const viewers = Array.from({ length: VIEWERS }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!isStopped) {
      try {
        const media = new URL(lastLine(await fetchText(hls, agent)), hls).href;
        const segment = new URL(lastLine(await fetchText(media, agent)), media).href;
        await fetchText(segment, agent);
        watched.answered += 3;
      } catch (error) {
        watched.failed.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, THINK_MS));
    }
    agent.destroy();
  });
  return {
    watched,
    async stop() {
      isStopped = true;
      await Promise.all(viewers);
    },
  };
}

describe('autoscaling, in the whole stack', () => {
  it('adds a unit when viewers come, and takes it away when they are gone, with no answer lost', async () => {
    const policy = {
      ...{ minimum: 1, maximum: 2, targets: { requestsPerSecondPerUnit: 20 } },
      ...{ window: 'PT1M', scaleUpCoolDown: 'PT0S', scaleDownCoolDown: 'PT10S' },
    };
    await stack.api.until(`/channels/${stack.channel}/programs/${stack.program}`, isLive, 60_000);
    const put = await stack.api.call('PUT', `${ENDPOINT}/autoscale`, policy);
    expect([put.status, put.body.lastDecision]).toEqual([201, null]);

    const viewers = startViewers(stack.playback.hls);
    let up: ApiBody;
    try {
      await stack.api.until(
        ENDPOINT,
        ({ scaleUnits, state }) => scaleUnits === 2 && state === 'running',
        UP_WITHIN_MS,
      );
      up = await stack.api.expect(200, 'GET', `${ENDPOINT}/autoscale`);
    } finally {
      await viewers.stop();
    }
    expect(up.lastScaledAt).not.toBeNull();
    expect(viewers.watched.failed).toEqual([]);
    expect(viewers.watched.answered).toBeGreaterThan(200);

    await stack.api.until(
      ENDPOINT,
      ({ scaleUnits, state }) => scaleUnits === 1 && state === 'running',
      DOWN_WITHIN_MS,
    );
    const down = await stack.api.expect(200, 'GET', `${ENDPOINT}/autoscale`);
    expect(Date.parse(down.lastScaledAt) - Date.parse(up.lastScaledAt)).toBeGreaterThanOrEqual(10_000);

    expect((await stack.api.call('DELETE', `${ENDPOINT}/autoscale`)).status).toBe(204);
    expect((await stack.api.expect(200, 'GET', ENDPOINT)).scaleUnits).toBe(1);
  }, 320_000);
});

const isLive = ({ playback }: ApiBody): boolean => playback?.status === 'live';
