import { randomUUID } from 'node:crypto';
import { rawRequest } from './raw-requests.ts';
import type { Stack } from './stack.ts';

const PROBE_WITHIN_MS = 2000;
const POLL_MS = 50;
const HEALED_WITHIN_MS = 60_000;
const EVENT_TYPE = 'Headend.Media.LiveEventStateChanged';

export type Healing = Readonly<Record<'api' | 'arm' | 'manifest' | 'events', number>>;

/** A channel that never runs, whose timeline shows that events are delivered. */
export const PROBE_CHANNEL = 'probe';

/**
 * Resolves once every door answers as it should and an event goes all the way from the broker to a timeline; the
 * milliseconds since `sinceMs` of each.
 */
export async function untilHealed(stack: Stack, manifestUrl: string, sinceMs: number): Promise<Healing> {
  const until = async (name: string, answers: () => Promise<boolean>) => {
    const deadline = sinceMs + HEALED_WITHIN_MS;
    while (!(await answers().catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`${name} does not answer after ${HEALED_WITHIN_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return Date.now() - sinceMs;
  };
  const [api, arm, manifest, events] = await Promise.all([
    until('the API', () => answersOk(`${stack.apiBase}/channels/${PROBE_CHANNEL}`, stack.functionKey)),
    until('the media API', () => armAnswers(stack)),
    until('the manifest', () => answersOk(manifestUrl)),
    until('the event', () => eventArrives(stack)),
  ]);
  return { api, arm, manifest, events };
}

async function answersOk(url: string, key?: string): Promise<boolean> {
  const response = await fetch(url, {
    ...(key === undefined ? {} : { headers: { 'x-functions-key': key } }),
    signal: AbortSignal.timeout(PROBE_WITHIN_MS),
  });
  await response.arrayBuffer();
  return response.ok;
}

async function armAnswers(stack: Stack): Promise<boolean> {
  const { status } = await rawRequest(stack.armEndpoint, '/', { ca: stack.caPem });
  // Whoever has no token is turned away: it works.
  return status === 401;
}

/** Publishes an event as the engine does and waits for it in the channel's timeline. */
async function eventArrives(stack: Stack): Promise<boolean> {
  const eventTime = new Date().toISOString();
  const published = await fetch(`http://127.0.0.1:${stack.ports.broker}/api/events?api-version=2018-01-01`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'aeg-sas-key': stack.eventGridKey },
    body: JSON.stringify([
      {
        ...{ id: randomUUID(), subject: `liveEvent/${PROBE_CHANNEL}`, eventType: EVENT_TYPE, eventTime },
        ...{ data: { previousState: 'Stopped', state: 'Stopped' }, dataVersion: '1.0' },
      },
    ]),
    signal: AbortSignal.timeout(PROBE_WITHIN_MS),
  });
  if (!published.ok) return false;
  const deadline = Date.now() + HEALED_WITHIN_MS;
  while (Date.now() < deadline) {
    if (await isInTimeline(stack, eventTime).catch(() => false)) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}

async function isInTimeline(stack: Stack, at: string): Promise<boolean> {
  const { body } = await stack.api.call('GET', `/channels/${PROBE_CHANNEL}/timeline?limit=20`);
  return body.items.some(
    (entry: { type: string; at: string }) => entry.type === EVENT_TYPE && entry.at === at,
  );
}
