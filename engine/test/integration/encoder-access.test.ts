import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { AzureMediaServices, IPRange, LiveEvent } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { EVENT_GRID_KEY } from '../support/arm-stack.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';

const DEMO = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const FAST = { updateIntervalInMs: 20 };
const LOOPBACK: IPRange = { name: 'here', address: '127.0.0.0', subnetPrefixLength: 8 };
const ELSEWHERE: IPRange = { name: 'elsewhere', address: '192.0.2.0', subnetPrefixLength: 24 };
/** Long enough for an encoder that comes with the old token on a busy machine. */
const OVERLAP = { duration: 'PT20S', ms: 20_000 };
const WAIT_MS_MAX = 30_000;

let azurite: Azurite;
let program: EngineProgram;
let receiver: EventReceiver;
let engine: RunningEngine;
let client: AzureMediaServices;

beforeAll(async () => {
  [azurite, program, receiver] = await Promise.all([
    startAzurite(),
    buildEngine(),
    startEventReceiver(EVENT_GRID_KEY),
  ]);
  engine = await program.start('control,ingest,origin', {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_EVENTGRID_ENDPOINT: receiver.endpoint,
    HEADEND_EVENTGRID_KEY: EVENT_GRID_KEY,
    HEADEND_PUBLIC_STREAMING_PORT: '0',
  });
  client = createArmClient(engine, program.caPem, program.identitySecret);
  await client.streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default', FAST);
}, 120_000);

afterAll(async () => {
  await program?.close();
  await receiver?.close();
  await azurite?.close();
}, 60_000);

const ingest = (allow: readonly IPRange[] | undefined, accessToken?: string): LiveEvent => ({
  location: 'local',
  input: {
    streamingProtocol: 'RTMP',
    ...(allow === undefined ? {} : { accessControl: { ip: { allow: [...allow] } } }),
    ...(accessToken === undefined ? {} : { accessToken }),
  },
});
const start = (name: string, event: LiveEvent) =>
  client.liveEvents.beginCreateAndWait(GROUP, ACCOUNT, name, event, { autoStart: true, ...FAST });
const patch = (name: string, change: LiveEvent, customHeaders = {}) =>
  client.liveEvents.beginUpdateAndWait(GROUP, ACCOUNT, name, change, {
    ...FAST,
    requestOptions: { customHeaders },
  });

/** An encoder that comes with this token: `in` with what stops it, or `refused`. */
async function encode(token: string | undefined, stream: string) {
  const url = `rtmp://127.0.0.1:${engine.ports['rtmp']}/live/${token}/${stream}`;
  return program.publish(['--url', url, '--file', DEMO, '--loop']).catch(() => 'refused' as const);
}

const told = (name: string, type: string) =>
  receiver.events.filter(
    ({ subject, eventType }) => subject === `liveEvent/${name}` && eventType === `Microsoft.Media.${type}`,
  );

async function until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${WAIT_MS_MAX} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('an encoder', () => {
  it('stays over a change of its stream key, and may come back with the old one until its time', async () => {
    const [old, fresh] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
    await start('rotated', ingest([LOOPBACK], old));
    const first = await encode(old, 'first');
    expect(first).not.toBe('refused');
    const changedAtMs = Date.now();
    await patch('rotated', ingest(undefined, fresh), { 'x-headend-access-token-overlap': OVERLAP.duration });
    const [late, modern] = await Promise.all([encode(old, 'late'), encode(fresh, 'modern')]);
    expect(modern).not.toBe('refused');
    // On a machine that took longer than the overlap this would prove nothing.
    if (Date.now() - changedAtMs < OVERLAP.ms) expect(late).not.toBe('refused');
    await new Promise((resolve) => setTimeout(resolve, changedAtMs + OVERLAP.ms + 1500 - Date.now()));
    expect(await encode(old, 'too-late')).toBe('refused');
    expect(told('rotated', 'LiveEventEncoderDisconnected')).toEqual([]);
    expect(engine.log()).not.toContain(old);
    expect(engine.log()).not.toContain(fresh);
  }, 120_000);

  it.each([
    ['from everywhere when no list was set', undefined],
    ['from everywhere when the list is empty', []],
    ['from outside the list', [ELSEWHERE]],
  ] as const)(
    'is refused %s',
    async (_name, allow) => {
      const name = `door${allow?.length ?? 'less'}`;
      const { input } = await start(name, ingest(allow));
      expect(await encode(input?.accessToken, 'main')).toBe('refused');
      await until('the refusal is told', () => told(name, 'LiveEventConnectionRejected').length > 0);
      expect(told(name, 'LiveEventConnectionRejected')[0]?.data['resultCode']).toBe(
        'MPE_INGEST_ENCODER_CONNECTION_DENIED',
      );
      await patch(name, ingest([ELSEWHERE, LOOPBACK]));
      expect(await encode(input?.accessToken, 'main')).not.toBe('refused');
      await patch(name, ingest([ELSEWHERE]));
      expect(told(name, 'LiveEventEncoderDisconnected')).toEqual([]);
    },
    60_000,
  );
});

describe('a viewer of the preview', () => {
  it('is let in from the addresses that the live event allows, which may change while it runs', async () => {
    const { input } = await start('watched', ingest([LOOPBACK]));
    expect(await encode(input?.accessToken, 'main')).not.toBe('refused');
    const { preview } = await client.liveEvents.get(GROUP, ACCOUNT, 'watched');
    const look = async () => (await fetch(`${preview?.endpoints?.[0]?.url}(format=m3u8-cmaf)`)).status;
    await until('everybody sees it', async () => (await look()) === 200);
    const allow = (ranges: IPRange[]) =>
      patch('watched', { ...ingest(undefined), preview: { accessControl: { ip: { allow: ranges } } } });
    await allow([ELSEWHERE]);
    await until('others do not', async () => (await look()) === 403);
    await allow([LOOPBACK]);
    await until('these do', async () => (await look()) === 200);
  }, 90_000);
});
