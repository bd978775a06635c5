import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';
import { until } from '../support/programs.ts';
import { pictureHashes, pushSmooth, shown, soundHashes, startShow } from '../support/smooth-show.ts';
import { makeSource } from '../support/source-media.ts';

const KEY = 'contract-test-topic-key';

let folder: string;
let azurite: Azurite;
let program: EngineProgram;
let receiver: EventReceiver;
let engine: RunningEngine;
let client: AzureMediaServices;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-smooth-live-'));
  [azurite, program, receiver] = await Promise.all([startAzurite(), buildEngine(), startEventReceiver(KEY)]);
  engine = await program.start('control,ingest,origin', {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_EVENTGRID_ENDPOINT: receiver.endpoint,
    HEADEND_EVENTGRID_KEY: KEY,
    HEADEND_PUBLIC_SMOOTH_PORT: '0',
    HEADEND_PUBLIC_STREAMING_PORT: '0',
  });
  client = createArmClient(engine, program.caPem, program.identitySecret);
  await client.streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default');
}, 120_000);

afterAll(async () => {
  await program?.close();
  await receiver?.close();
  await azurite?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe('a live event that takes fragmented MP4', () => {
  it('is seen as it was sent, every picture and every frame of sound', async () => {
    const source = await makeSource(folder, 'once.mp4', 8);
    const show = await startShow(client, 'once');
    const probe = await fetch(show.ingestUrl('main'), { method: 'POST' });
    expect([probe.status, await probe.text()]).toEqual([200, '']);
    const encoder = pushSmooth(source, show.ingestUrl('main'), '-re');
    await shown(`${show.previewUrl}(format=m3u8-cmaf)`);
    expect(await once(encoder, 'exit')).toEqual([0, null]);
    await show.finish();
    const recording = show.playbackUrl('m3u8-cmaf');
    expect(await pictureHashes(recording)).toEqual(await pictureHashes(source));
    expect(await soundHashes(recording)).toEqual(await soundHashes(source));
    const types = () =>
      receiver.events
        .filter(({ subject }) => subject === 'liveEvent/once')
        .map(({ eventType, data }) => `${eventType.split('.').at(-1)} ${data['resultCode'] ?? ''}`.trim());
    await until(() => types().some((type) => type.startsWith('LiveEventEncoderDisconnected')), 'events');
    expect(types()).toEqual(
      expect.arrayContaining([
        'LiveEventEncoderConnected',
        'LiveEventIncomingStreamReceived',
        'LiveEventEncoderDisconnected MPI_STREAM_HIT_EOF',
      ]),
    );
    expect(engine.log()).not.toContain(show.accessToken);
  }, 120_000);

  it('goes on without a hole or a repetition when one of two encoders is killed', async () => {
    const source = await makeSource(folder, 'twice.mp4', 16);
    const show = await startShow(client, 'twice');
    const url = show.ingestUrl('main');
    const [first, second] = [pushSmooth(source, url, '-re'), pushSmooth(source, url, '-re')];
    await shown(`${show.previewUrl}(format=m3u8-cmaf)`);
    await new Promise((resolve) => setTimeout(resolve, 4300));
    first.kill('SIGKILL');
    expect(await once(second, 'exit')).toEqual([0, null]);
    await show.finish();
    const recording = show.playbackUrl('m3u8-cmaf');
    expect(await pictureHashes(recording)).toEqual(await pictureHashes(source));
    expect(await soundHashes(recording)).toEqual(await soundHashes(source));
    const playlist = await mediaPlaylist(recording);
    expect(playlist).not.toMatch(/^#EXT-X-DISCONTINUITY$/m);
    expect(playlist).not.toContain('#EXT-X-GAP');
  }, 120_000);
});

async function mediaPlaylist(multivariantUrl: string): Promise<string> {
  const text = await (await fetch(multivariantUrl)).text();
  const uri = text.split('\n').find((line) => line !== '' && !line.startsWith('#')) ?? '';
  return (await fetch(new URL(uri, multivariantUrl))).text();
}
