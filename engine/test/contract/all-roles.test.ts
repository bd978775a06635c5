import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram } from '../support/engine-program.ts';

let azurite: Azurite;
let program: EngineProgram;

beforeAll(async () => {
  [azurite, program] = await Promise.all([startAzurite(), buildEngine()]);
}, 120_000);

afterAll(async () => {
  await program?.close();
  await azurite?.close();
}, 60_000);

describe('control, ingest and origin in one process', () => {
  it('start, carry a live event with a recording through its life without an encoder, and stop in order', async () => {
    const engine = await program.start('control,ingest,origin', {
      HEADEND_STORAGE: azurite.connectionString,
    });
    expect(Object.keys(engine.ports).sort()).toEqual(['arm', 'feed', 'identity', 'rtmp', 'streaming']);
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
});
