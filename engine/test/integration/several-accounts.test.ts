import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP, refusal, SUBSCRIPTION } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';

const DEMO = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const FAST = { updateIntervalInMs: 20 };
const EVERYBODY = { ip: { allow: [{ address: '0.0.0.0', subnetPrefixLength: 0 }] } };
const EVENT = { location: 'local', input: { streamingProtocol: 'RTMP', accessControl: EVERYBODY } };
const WAIT_MS_MAX = 30_000;
const KEYS = ['key-of-the-own-topic', 'key-of-the-second-topic'] as const;
const SECOND = 'second';
const OTHER_GROUP = 'others';

let azurite: Azurite;
let program: EngineProgram;
let receivers: readonly [EventReceiver, EventReceiver];
let engine: RunningEngine;
let client: AzureMediaServices;
let folder: string;
let storageFile: string;
const encoders: ChildProcess[] = [];

const writeStorageFile = (accounts: readonly object[]) =>
  writeFile(storageFile, JSON.stringify({ storageAccounts: accounts }));
const storageId = (name: string) =>
  `/subscriptions/${SUBSCRIPTION}/resourceGroups/storage/providers/Microsoft.Storage/storageAccounts/${name}`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-accounts-'));
  storageFile = join(folder, 'storage.json');
  const topicsFile = join(folder, 'topics.json');
  [azurite, program, receivers] = await Promise.all([
    startAzurite(),
    buildEngine(),
    Promise.all([startEventReceiver(KEYS[0]), startEventReceiver(KEYS[1])]),
  ]);
  const { own, second } = azurite.accounts;
  // Its keys are of no use yet.
  await writeStorageFile([own, { ...second, key1: randomBytes(64).toString('base64') }]);
  const topic = { account: SECOND, endpoint: receivers[1].endpoint, key: KEYS[1] };
  await writeFile(topicsFile, JSON.stringify({ topics: [topic] }));
  engine = await program.start('control,ingest,origin', {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_STORAGE_ACCOUNTS: storageFile,
    HEADEND_EVENTGRID_ENDPOINT: receivers[0].endpoint,
    HEADEND_EVENTGRID_KEY: KEYS[0],
    HEADEND_EVENTGRID_TOPICS: topicsFile,
    HEADEND_PUBLIC_RTMP_PORT: '0',
    HEADEND_PUBLIC_STREAMING_PORT: '0',
  });
  client = createArmClient(engine, program.caPem, program.identitySecret);
}, 120_000);

afterAll(async () => {
  for (const encoder of encoders) encoder.kill('SIGKILL');
  await program?.close();
  await Promise.all((receivers ?? []).map((receiver) => receiver.close()));
  await azurite?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${WAIT_MS_MAX} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function encode(url: string, streams: readonly string[]): ChildProcess {
  const args = ['-nostdin', '-loglevel', 'error', '-re', '-stream_loop', '-1', '-i', DEMO, ...streams];
  const encoder = spawn('ffmpeg', [...args, '-c', 'copy', '-f', 'flv', url], { stdio: 'ignore' });
  encoders.push(encoder);
  return encoder;
}

const get = (path: string) => fetch(`http://127.0.0.1:${engine.ports['streaming']}${path}`);

/** The playlists of all tracks. */
async function playlists(path: string): Promise<readonly string[] | undefined> {
  const main = await get(`${path}/manifest(format=m3u8-cmaf)`);
  if (main.status !== 200) return undefined;
  const text = await main.text();
  const names = [...text.matchAll(/^QualityLevels.*$|^#EXT-X-MEDIA:.*URI="(QualityLevels[^"]*)"/gm)];
  return Promise.all(names.map(async ([line, uri]) => (await get(`${path}/${uri ?? line}`)).text()));
}

const segmentsOf = (playlist: string): number => playlist.match(/^#EXTINF/gm)?.length ?? 0;

interface Place {
  readonly at: readonly [string, string];
  readonly streams: readonly string[];
  readonly storageAccountName: string;
}

/** Both have a live event, an asset, an output and a locator of the same names. */
const PLACES: readonly [Place, Place] = [
  { at: [GROUP, ACCOUNT], streams: [], storageAccountName: 'devstoreaccount1' },
  { at: [OTHER_GROUP, SECOND], streams: ['-an'], storageAccountName: 'secondstore' },
];

async function goLive({ at, streams, storageAccountName }: Place) {
  const { liveEvents, liveOutputs, assets, streamingLocators, streamingEndpoints } = client;
  await streamingEndpoints.beginStartAndWait(...at, 'default', FAST);
  await liveEvents.beginCreateAndWait(...at, 'arena', EVENT, { autoStart: true, ...FAST });
  const { input, preview } = await liveEvents.get(...at, 'arena');
  const asset = await assets.createOrUpdate(...at, 'recording', { storageAccountName });
  const output = { assetName: 'recording', archiveWindowLength: 'PT1H', manifestName: 'main' };
  await liveOutputs.beginCreateAndWait(...at, 'arena', 'rec', output, FAST);
  const locator = await streamingLocators.create(...at, 'public', {
    assetName: 'recording',
    streamingPolicyName: 'Predefined_ClearStreamingOnly',
  });
  encode(`${input?.endpoints?.[0]?.url}/main`, streams);
  return {
    accessToken: input?.accessToken ?? '',
    previewPath: `/${preview?.previewLocator}/preview.ism`,
    locatorId: locator.streamingLocatorId ?? '',
    path: `/${locator.streamingLocatorId}/main.ism`,
    container: asset.container ?? '',
  };
}

const typesOf = (receiver: EventReceiver) =>
  receiver.events
    .filter(({ subject }) => subject === 'liveEvent/arena')
    .map(({ eventType }) => eventType.split('.').at(-1));

describe('two accounts on one engine', () => {
  let shows: Awaited<ReturnType<typeof goLive>>[];

  it('are there once their storage can be reached', async () => {
    const account = {
      location: 'West Europe',
      storageAccounts: [
        { id: storageId('devstoreaccount1'), type: 'Primary' },
        { id: storageId('secondstore'), type: 'Secondary' },
      ],
    };
    const { mediaservices } = client;
    for (const name of ['secondstore', 'nobodysstore']) {
      const storageAccounts = [{ id: storageId(name), type: 'Primary' }];
      const failing = mediaservices.beginCreateOrUpdateAndWait(
        OTHER_GROUP,
        'unreachable',
        { ...account, storageAccounts },
        FAST,
      );
      await expect(failing).rejects.toThrow('Storage account cannot be accessed.');
      expect(await mediaservices.get(OTHER_GROUP, 'unreachable')).toMatchObject({
        provisioningState: 'Failed',
      });
      const inIt = client.assets.createOrUpdate(OTHER_GROUP, 'unreachable', 'a', {});
      expect(await refusal(inIt)).toMatchObject({ status: 409, code: 'Conflict' });
      await mediaservices.delete(OTHER_GROUP, 'unreachable');
    }
    const { own, second } = azurite.accounts;
    await writeStorageFile([own, second]);
    await mediaservices.syncStorageKeys(GROUP, ACCOUNT, { id: 'devstoreaccount1' });
    await mediaservices.beginCreateOrUpdateAndWait(OTHER_GROUP, SECOND, account, FAST);
    expect(await client.streamingEndpoints.get(OTHER_GROUP, SECOND, 'default')).toMatchObject({
      resourceState: 'Stopped',
      scaleUnits: 0,
    });
    expect(await refusal(mediaservices.get(GROUP, SECOND))).toMatchObject({ code: 'ResourceNotFound' });
    expect(await refusal(mediaservices.delete(GROUP, ACCOUNT))).toMatchObject({ status: 409 });
    const alsoOwn = [...account.storageAccounts].slice(0, 1);
    await mediaservices.beginUpdateAndWait(GROUP, ACCOUNT, { storageAccounts: alsoOwn }, FAST);
  }, 60_000);

  it('take encoders into live events of the same name at once, record each where its asset is, and play both', async () => {
    shows = [await goLive(PLACES[0]), await goLive(PLACES[1])];
    for (const { path } of shows) {
      await until('two segments of each track', async () => {
        const found = (await playlists(path)) ?? [];
        return (found.length > 0 && found.every((text) => segmentsOf(text) >= 2)) || undefined;
      });
    }
    // One has sound, the other has none: neither shows what the other was sent.
    const tracks = await Promise.all(
      shows
        .flatMap(({ path, previewPath }) => [path, previewPath])
        .map(async (path) => (await playlists(path))?.length),
    );
    expect(tracks).toEqual([2, 2, 1, 1]);
    const { own, second } = azurite.accounts;
    for (const [at, account] of [own, second].entries()) {
      const credential = new StorageSharedKeyCredential(account.name, account.key2);
      const blobsIn = (container: string) =>
        new ContainerClient(`${account.blobEndpoint}/${container}`, credential).exists();
      expect(await Promise.all(shows.map(({ container }) => blobsIn(container)))).toEqual(
        at === 0 ? [true, false] : [false, true],
      );
    }
    for (const receiver of receivers) {
      await until('the encoder is told of', () =>
        typesOf(receiver).includes('LiveEventEncoderConnected') ? true : undefined,
      );
      const connected = typesOf(receiver).filter((type) => type === 'LiveEventEncoderConnected');
      expect([connected.length, receiver.faults]).toEqual([1, []]);
    }
  }, 90_000);

  it('have no token and no locator id in common', async () => {
    const [own] = shows;
    const input = { ...EVENT.input, accessToken: own?.accessToken ?? '' };
    const sameToken = client.liveEvents.beginCreateAndWait(OTHER_GROUP, SECOND, 'other', {
      ...EVENT,
      input,
    });
    expect(await refusal(sameToken)).toMatchObject({ status: 409, code: 'Conflict' });
    const sameId = client.streamingLocators.create(OTHER_GROUP, SECOND, 'other', {
      assetName: 'recording',
      streamingPolicyName: 'Predefined_ClearStreamingOnly',
      streamingLocatorId: own?.locatorId ?? '',
    });
    expect(await refusal(sameId)).toMatchObject({ status: 409, code: 'Conflict' });
  });

  it('have streaming endpoints of their own', async () => {
    const states = async () =>
      Promise.all(shows.map(async ({ path }) => (await get(`${path}/manifest(format=m3u8-cmaf)`)).status));
    await client.streamingEndpoints.beginStopAndWait(...PLACES[1].at, 'default', FAST);
    await until('the second is not served', async () => ((await states())[1] !== 200 ? true : undefined));
    expect((await states())[0]).toBe(200);
    await client.streamingEndpoints.beginStartAndWait(...PLACES[1].at, 'default', FAST);
    await until('the second is served', async () => ((await states())[1] === 200 ? true : undefined));
  });

  it('finish a recording in the secondary storage account, with SAS of both of its keys', async () => {
    const { at } = PLACES[1];
    await client.liveOutputs.beginDeleteAndWait(...at, 'arena', 'rec', FAST);
    const { path } = shows[1] ?? { path: '' };
    await until(
      'it is on demand',
      async () => (await playlists(path))?.every((text) => text.includes('#EXT-X-ENDLIST')) || undefined,
    );
    const expiryTime = new Date(Date.now() + 3_600_000);
    const sas = await client.assets.listContainerSas(...at, 'recording', { permissions: 'Read', expiryTime });
    const urls = (sas.assetContainerSasUrls ?? []).map((url) => new URL(url));
    expect(new Set(urls.map(({ searchParams }) => searchParams.get('sig'))).size).toBe(2);
    for (const url of urls) {
      expect(url.pathname).toBe(`/secondstore/${shows[1]?.container}`);
      const manifest = await new ContainerClient(url.href).getBlobClient('main.ism').downloadToBuffer();
      expect(manifest.toString()).toContain('vod-fmp4');
    }
  }, 60_000);

  it('end one by one: what is in a deleted account is gone, the other goes on', async () => {
    const { mediaservices } = client;
    await mediaservices.delete(OTHER_GROUP, SECOND);
    expect(await refusal(mediaservices.get(OTHER_GROUP, SECOND))).toMatchObject({ status: 404 });
    const inIt = client.assets.get(OTHER_GROUP, SECOND, 'recording');
    expect(await refusal(inIt)).toMatchObject({ status: 404 });
    const gone = await until('its address is gone', async () => {
      const { status } = await get(`${shows[1]?.path}/manifest(format=m3u8-cmaf)`);
      return status === 404 ? status : undefined;
    });
    expect(gone).toBe(404);
    await until('its encoder was sent away', () =>
      typesOf(receivers[1]).includes('LiveEventEncoderDisconnected') ? true : undefined,
    );
    const before = (await playlists(shows[0]?.path ?? ''))?.map(segmentsOf) ?? [];
    await until('the other goes on', async () => {
      const now = (await playlists(shows[0]?.path ?? ''))?.map(segmentsOf) ?? [];
      return now.length > 0 && now.every((count, at) => count > (before[at] ?? 0)) ? true : undefined;
    });
    await until('its name is free', async () => {
      const body = { name: SECOND, type: 'Microsoft.Media/mediaservices' };
      return (await client.locations.checkNameAvailability('local', body)).nameAvailable || undefined;
    });
    const log = engine.log();
    const { own, second } = azurite.accounts;
    const secrets = [...KEYS, own.key1, own.key2, second.key1, second.key2, shows[1]?.accessToken ?? '-'];
    expect(secrets.filter((secret) => log.includes(secret))).toEqual([]);
    expect(await engine.stop('SIGTERM')).toBe(0);
  }, 90_000);
});
