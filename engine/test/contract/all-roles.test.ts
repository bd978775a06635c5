import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram } from '../support/engine-program.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';

const DEMO = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const KEY = 'contract-test-topic-key';

let azurite: Azurite;
let program: EngineProgram;
let receiver: EventReceiver;

beforeAll(async () => {
  [azurite, program, receiver] = await Promise.all([startAzurite(), buildEngine(), startEventReceiver(KEY)]);
}, 120_000);

afterAll(async () => {
  await program?.close();
  await receiver?.close();
  await azurite?.close();
}, 60_000);

describe('control, ingest, origin and worker in one process', () => {
  it('start, carry a live event with a recording through its life without an encoder, and stop in order', async () => {
    const engine = await program.start('control,ingest,origin,worker', {
      HEADEND_STORAGE: azurite.connectionString,
    });
    expect(Object.keys(engine.ports)).toEqual(
      expect.arrayContaining([
        ...['arm', 'feed', 'identity', 'rtmp', 'rtmpBackup', 'rtmps', 'rtmpsBackup', 'streaming'],
      ]),
    );
    const { liveEvents, liveOutputs, assets, streamingLocators } = createArmClient(
      engine,
      program.caPem,
      program.identitySecret,
    );
    const event = { location: 'local', input: { streamingProtocol: 'RTMP' } };
    await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'show', event, { autoStart: true });
    const running = await liveEvents.get(GROUP, ACCOUNT, 'show');
    expect(running.resourceState).toBe('Running');
    const token = running.input?.accessToken;
    expect(running.input?.endpoints).toEqual([
      { protocol: 'RTMP', url: `rtmp://127.0.0.1:${engine.ports['rtmp']}/live/${token}` },
      { protocol: 'RTMP', url: `rtmp://127.0.0.1:${engine.ports['rtmpBackup']}/live/${token}` },
      { protocol: 'RTMP', url: `rtmps://127.0.0.1:${engine.ports['rtmps']}/live/${token}` },
      { protocol: 'RTMP', url: `rtmps://127.0.0.1:${engine.ports['rtmpsBackup']}/live/${token}` },
    ]);
    await assets.createOrUpdate(GROUP, ACCOUNT, 'recording', {});
    await streamingLocators.create(GROUP, ACCOUNT, 'public', {
      assetName: 'recording',
      streamingPolicyName: 'Predefined_ClearStreamingOnly',
    });
    const output = { assetName: 'recording', archiveWindowLength: 'PT1H', manifestName: 'main' };
    const recording = await liveOutputs.beginCreateAndWait(GROUP, ACCOUNT, 'show', 'rec', output);
    expect(recording.resourceState).toBe('Running');
    await liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'show', { removeOutputsOnStop: true });
    expect(await liveEvents.get(GROUP, ACCOUNT, 'show')).toMatchObject({
      resourceState: 'Stopped',
      provisioningState: 'Succeeded',
    });
    await liveEvents.beginDeleteAndWait(GROUP, ACCOUNT, 'show');
    expect(engine.log()).not.toMatch(/"level":"error"/);
    expect(await engine.stop('SIGTERM')).toBe(0);
  }, 90_000);

  it('take an encoder in, show it to viewers, tell of it, and send it away when the live event stops', async () => {
    const engine = await program.start('control,ingest,origin,worker', {
      HEADEND_STORAGE: azurite.connectionString,
      HEADEND_EVENTGRID_ENDPOINT: receiver.endpoint,
      HEADEND_EVENTGRID_KEY: KEY,
      HEADEND_PUBLIC_RTMP_PORT: '0',
      HEADEND_PUBLIC_STREAMING_PORT: '0',
    });
    const client = createArmClient(engine, program.caPem, program.identitySecret);
    const { liveEvents } = client;
    const accessControl = { ip: { allow: [{ address: '127.0.0.0', subnetPrefixLength: 8 }] } };
    const event = { location: 'local', input: { streamingProtocol: 'RTMP', accessControl } };
    await client.streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default');
    await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'encoded', event, { autoStart: true });
    const { input, preview } = await liveEvents.get(GROUP, ACCOUNT, 'encoded');
    const publisher = await program.publish([
      '--url',
      `${input?.endpoints?.[0]?.url}/main`,
      '--file',
      DEMO,
      '--loop',
    ]);
    const manifest = `${preview?.endpoints?.[0]?.url}(format=m3u8-cmaf)`;
    const isShown = async () => (await fetch(manifest)).status === 200;
    for (let attempt = 0; attempt < 150 && !(await isShown()); attempt += 1) await pause(100);
    expect(await (await fetch(manifest)).text()).toContain('#EXT-X-STREAM-INF');
    await liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'encoded', {});
    const types = () =>
      receiver.events
        .filter((received) => /^\/?liveEvent/i.test(received.subject))
        .map((received) => received.eventType.split('.').at(-1));
    for (let attempt = 0; attempt < 150 && !types().includes('LiveEventEncoderDisconnected'); attempt += 1) {
      await pause(100);
    }
    expect(types()).toEqual(
      expect.arrayContaining([
        'LiveEventEncoderConnected',
        'LiveEventIncomingStreamReceived',
        'LiveEventEncoderDisconnected',
      ]),
    );
    await publisher.stop('SIGTERM');
    expect(engine.log()).not.toContain(input?.accessToken);
    expect(receiver.faults).toEqual([]);
    expect(await engine.stop('SIGTERM')).toBe(0);
  }, 90_000);
});

const pause = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs));
