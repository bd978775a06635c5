import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openHeadendTable } from '../../src/store/headend-table.ts';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { EVENT_GRID_KEY } from '../support/arm-stack.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';

const DEMO = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const FAST = { updateIntervalInMs: 20 };
const EVERYBODY = { ip: { allow: [{ address: '0.0.0.0', subnetPrefixLength: 0 }] } };
const EVENT = { location: 'local', input: { streamingProtocol: 'RTMP', accessControl: EVERYBODY } };
const WAIT_MS_MAX = 30_000;

let azurite: Azurite;
let program: EngineProgram;
let receiver: EventReceiver;
let media: RunningEngine;
let control: RunningEngine;
let client: AzureMediaServices;
const encoders: ChildProcess[] = [];

const environment = () => ({
  HEADEND_STORAGE: azurite.connectionString,
  HEADEND_EVENTGRID_ENDPOINT: receiver.endpoint,
  HEADEND_EVENTGRID_KEY: EVENT_GRID_KEY,
});

beforeAll(async () => {
  [azurite, program, receiver] = await Promise.all([
    startAzurite(),
    buildEngine(),
    startEventReceiver(EVENT_GRID_KEY),
  ]);
  media = await program.start('ingest,origin', environment());
  control = await program.start('control', {
    ...environment(),
    HEADEND_PUBLIC_RTMP_PORT: String(media.ports['rtmp']),
    HEADEND_PUBLIC_STREAMING_PORT: String(media.ports['streaming']),
  });
  client = createArmClient(control, program.caPem, program.identitySecret);
  await client.streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default', FAST);
}, 120_000);

afterEach(async () => {
  for (const encoder of encoders.splice(0)) {
    if (encoder.exitCode === null && encoder.signalCode === null) encoder.kill('SIGKILL');
  }
});

afterAll(async () => {
  await program?.close();
  await receiver?.close();
  await azurite?.close();
}, 60_000);

/** FFmpeg sends the loop until it is sent away. */
function encode(url: string): ChildProcess {
  const args = ['-nostdin', '-loglevel', 'error', '-re', '-stream_loop', '-1', '-i', DEMO];
  const encoder = spawn('ffmpeg', [...args, '-c', 'copy', '-f', 'flv', url], { stdio: 'ignore' });
  encoders.push(encoder);
  return encoder;
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${WAIT_MS_MAX} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Why encoders of this live event were sent away so far. */
const farewells = (name: string): unknown[] =>
  receiver.events
    .filter((event) => event.subject === `liveEvent/${name}`)
    .filter((event) => event.eventType === 'Microsoft.Media.LiveEventEncoderDisconnected')
    .map((event) => event.data['resultCode']);

/** Live, with an encoder and a recording that has fragments; where its playlist is. */
async function goLive(name: string) {
  const { liveEvents, liveOutputs, assets, streamingLocators } = client;
  await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, name, EVENT, { autoStart: true, ...FAST });
  const { input } = await liveEvents.get(GROUP, ACCOUNT, name);
  const encoder = encode(`${input?.endpoints?.[0]?.url}/main`);
  const connected = () =>
    receiver.events.find(
      (event) =>
        event.subject === `liveEvent/${name}` &&
        event.eventType === 'Microsoft.Media.LiveEventEncoderConnected',
    );
  await until('the encoder is connected', connected);
  await assets.createOrUpdate(GROUP, ACCOUNT, `${name}-recording`, {});
  const output = { assetName: `${name}-recording`, archiveWindowLength: 'PT1H', manifestName: 'main' };
  await liveOutputs.beginCreateAndWait(GROUP, ACCOUNT, name, 'rec', output, FAST);
  const { streamingLocatorId } = await streamingLocators.create(GROUP, ACCOUNT, `${name}-locator`, {
    assetName: `${name}-recording`,
    streamingPolicyName: 'Predefined_ClearStreamingOnly',
  });
  const path = `/${streamingLocatorId}/main.ism`;
  await until('two segments', async () => ((await segments(path)) ?? 0) >= 2 || undefined);
  return { encoder, path };
}

async function playlist(path: string): Promise<string | undefined> {
  const base = `http://127.0.0.1:${media.ports['streaming']}${path}`;
  const main = await fetch(`${base}/manifest(format=m3u8-cmaf)`);
  const text = await main.text();
  const variant = /^QualityLevels.*$/m.exec(text)?.[0];
  if (main.status !== 200 || variant === undefined) return undefined;
  const variantAnswer = await fetch(`${base}/${variant}`);
  return variantAnswer.status === 200 ? variantAnswer.text() : undefined;
}

async function segments(path: string): Promise<number | undefined> {
  return (await playlist(path))?.match(/^#EXTINF/gm)?.length;
}

const onDemand = async (path: string) => (await playlist(path))?.includes('#EXT-X-ENDLIST') || undefined;

describe('a control plane without ingest', () => {
  it('has the owner record, finish a recording and send the encoder away for a stop', async () => {
    const { path } = await goLive('apart');
    await client.liveOutputs.beginDeleteAndWait(GROUP, ACCOUNT, 'apart', 'rec', FAST);
    expect(await playlist(path)).toBeDefined();
    await until('the recording is on demand', () => onDemand(path));
    expect(farewells('apart')).toEqual([]);
    await client.liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'apart', {}, FAST);
    await until('the encoder was told', () => farewells('apart')[0]);
    expect(farewells('apart')[0]).toBe('MPI_REST_API_CHANNEL_STOP');
  }, 120_000);

  it('resets: the encoder is sent away for it, recordings are finished, the addresses stay', async () => {
    const { encoder, path } = await goLive('again');
    const left = once(encoder, 'exit');
    const before = await client.liveEvents.get(GROUP, ACCOUNT, 'again');
    await client.liveEvents.beginResetAndWait(GROUP, ACCOUNT, 'again', FAST);
    await until('the encoder was told', () => farewells('again')[0]);
    expect(farewells('again')[0]).toBe('MPI_REST_API_CHANNEL_RESET');
    await left;
    const after = await client.liveEvents.get(GROUP, ACCOUNT, 'again');
    expect(after.resourceState).toBe('Running');
    expect([after.input?.endpoints, after.preview?.endpoints]).toEqual([
      before.input?.endpoints,
      before.preview?.endpoints,
    ]);
    await until('the recording is on demand', () => onDemand(path));
    const outputs = client.liveOutputs.list(GROUP, ACCOUNT, 'again');
    expect(await outputs.next()).toMatchObject({ done: true });
  }, 120_000);

  it('scales the origin, which goes on serving, and hears from it when that is done', async () => {
    const table = await openHeadendTable(azurite.connectionString, ACCOUNT);
    const processes = async () =>
      Reflect.get(Object((await table.find('s!origin!default'))?.body), 'processes');
    await until('the origin reports', async () => ((await processes()) === 1 ? true : undefined));
    for (const [scaleUnit, expected] of [
      [2, 2],
      [0, 1],
    ] as const) {
      await client.streamingEndpoints.beginScaleAndWait(GROUP, ACCOUNT, 'default', { scaleUnit }, FAST);
      expect(await processes()).toBe(expected);
      const endpoint = await client.streamingEndpoints.get(GROUP, ACCOUNT, 'default');
      expect(endpoint).toMatchObject({
        resourceState: 'Running',
        provisioningState: 'Succeeded',
        scaleUnits: scaleUnit,
      });
    }
  }, 120_000);

  it('finishes a recording itself when the process that had it is gone', async () => {
    const { path } = await goLive('orphan');
    const recorded = (await segments(path)) ?? 0;
    await media.stop('SIGKILL');
    await client.liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'orphan', { removeOutputsOnStop: true }, FAST);
    expect((await client.liveEvents.get(GROUP, ACCOUNT, 'orphan')).resourceState).toBe('Stopped');
    media = await program.start('ingest,origin', environment());
    await until('the recording is on demand', () => onDemand(path));
    expect(await segments(path)).toBeGreaterThanOrEqual(recorded - 1);
    expect(control.log()).toContain('control.ownerGone');
    expect(control.log()).not.toMatch(/"level":"error"/);
  }, 120_000);
});
