import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { XMLParser } from 'fast-xml-parser';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';
import { until } from '../support/programs.ts';
import { post } from '../support/smooth-session.ts';
import { pictureHashes, pushSmooth, shown, soundHashes, startShow } from '../support/smooth-show.ts';
import { makeSource } from '../support/source-media.ts';
import { CUE_MANIFEST, type Cue, sparseFragment, sparseHeaders } from '../support/sparse-session.ts';

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

  it('records a sparse track that comes beside it, and shows the rest as without', async () => {
    const source = await makeSource(folder, 'cues.mp4', 12);
    const show = await startShow(client, 'cues');
    const encoder = pushSmooth(source, show.ingestUrl('main'), '-re');
    await shown(`${show.previewUrl}(format=m3u8-cmaf)`);
    const cues = await pushCues(show.ingestUrl('cues'), encoder);
    expect(cues.length).toBeGreaterThanOrEqual(3);
    await show.finish();

    const recording = show.playbackUrl('m3u8-cmaf');
    expect(await pictureHashes(recording)).toEqual(await pictureHashes(source));
    expect(await soundHashes(recording)).toEqual(await soundHashes(source));
    expect(await mediaPlaylist(recording)).not.toMatch(/^#EXT-X-(?:DISCONTINUITY|GAP)$/m);
    for (const format of ['m3u8-cmaf', 'mpd-time-cmaf']) {
      expect(await (await fetch(show.playbackUrl(format))).text()).not.toContain('scte35');
    }

    const track = 'scte35-sparse-stream_0';
    const recorded = await recordedTexts(show.container, track);
    expect(recorded.map(({ data }) => data)).toEqual(cues.map(({ data }) => data));
    const [first] = recorded;
    const offsetTicks = (first?.decodeTimeTicks ?? 0) - (cues[0]?.atTicks ?? 0);
    expect(recorded.map(({ name, tfxd }) => ({ name, tfxd }))).toEqual(
      cues.map(({ atTicks, durationTicks }) => ({
        name: `${track}/${atTicks + offsetTicks}`,
        tfxd: { absoluteTimeTicks: atTicks + offsetTicks, durationTicks },
      })),
    );
    expect(await storedXml(show.container, 'main.ismc')).toMatchObject({
      SmoothStreamingMedia: {
        StreamIndex: expect.arrayContaining([
          expect.objectContaining({
            ...{ Type: 'text', Subtype: 'DATA', Name: 'scte35-sparse-stream', ParentStreamIndex: 'video' },
            c: recorded.map(({ decodeTimeTicks }) => ({ t: `${decodeTimeTicks}`, d: '300000000' })),
          }),
        ]),
      },
    });
    const ism = await storedXml(show.container, 'main.ism');
    expect(ism).toMatchObject({ smil: { body: { switch: { textstream: [{ src: track }] } } } });

    const told = (type: string) =>
      receiver.events.filter(
        ({ subject, eventType }) => subject.startsWith('liveEvent/cues') && eventType.endsWith(`.${type}`),
      );
    const streams = told('LiveEventIncomingStreamReceived').map(({ data }) => data['trackName']);
    expect(streams.filter((name) => name === 'scte35-sparse-stream')).toHaveLength(1);
    expect(told('LiveEventIncomingDataChunkDropped')).toEqual([]);
    expect(told('LiveEventHealthChanged').map(({ data }) => data['reasons'])).not.toContainEqual(
      expect.arrayContaining([expect.stringMatching(/OVERLAP|GAPS|SYNC|BITRATE|INCREASING/)]),
    );
  }, 120_000);
});

/** The sparse track's POSTs: headers and the last two fragments each, as encoders repeat them, until `encoder` is gone. */
async function pushCues(url: string, encoder: ChildProcess): Promise<Cue[]> {
  const startedAtMs = Date.now();
  const cues: Cue[] = [];
  while (encoder.exitCode === null) {
    const atTicks = (Date.now() - startedAtMs) * 10_000;
    const data = Buffer.from(`cue ${cues.length} <&> \u0000\u0001 ${'x'.repeat(cues.length * 100)}`);
    // Longer than until the next: cues may overlap.
    cues.push({ atTicks, durationTicks: 300_000_000, data });
    const body = Buffer.concat([
      sparseHeaders({ manifest: CUE_MANIFEST }),
      ...cues.slice(-2).map(sparseFragment),
    ]);
    expect(await post(url, body)).toMatchObject({ status: 200 });
    await Promise.race([once(encoder, 'exit'), sleep(3000)]);
  }
  return cues;
}

/** What the blobs of a track's folder have in their mdat, and when they say that it is. */
async function recordedTexts(container: string, track: string) {
  const blobs = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient(
    container,
  );
  const names: string[] = [];
  for await (const { name } of blobs.listBlobsFlat({ prefix: `${track}/` })) names.push(name);
  const recorded = await Promise.all(
    names.map(async (name) => {
      const bytes = await blobs.getBlobClient(name).downloadToBuffer();
      const { decodeTimeTicks, tfxd, samples } = parseFragment(bytes);
      const data = samples.map(({ offset, sizeBytes }) => bytes.subarray(offset, offset + sizeBytes));
      return { name, decodeTimeTicks, tfxd, data: Buffer.concat(data) };
    }),
  );
  return recorded.toSorted((a, b) => a.decodeTimeTicks - b.decodeTimeTicks);
}

async function storedXml(container: string, name: string): Promise<unknown> {
  const blobs = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient(
    container,
  );
  const text = (await blobs.getBlobClient(name).downloadToBuffer()).toString();
  const isArray = (tag: string) => ['StreamIndex', 'c', 'param', 'textstream'].includes(tag);
  return new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', isArray }).parse(text);
}

async function mediaPlaylist(multivariantUrl: string): Promise<string> {
  const text = await (await fetch(multivariantUrl)).text();
  const uri = text.split('\n').find((line) => line !== '' && !line.startsWith('#')) ?? '';
  return (await fetch(new URL(uri, multivariantUrl))).text();
}
