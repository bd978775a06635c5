import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient, ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { indexStateKey, operationKey } from '../../src/resources/row-keys.ts';
import { type HeadendTable, openHeadendTable } from '../../src/store/headend-table.ts';
import { ACCOUNT, GROUP, type RawAnswer, refusal } from '../support/arm-client.ts';
import { type ArmStack, collect, startArmStack } from '../support/arm-stack.ts';
import type { RunningEngine } from '../support/engine-program.ts';
import { ffmpeg } from '../support/programs.ts';
import { FAST } from '../support/sdk-sweep.ts';

const AT = [GROUP, ACCOUNT] as const;
const API = 'api-version=2023-01-01';
const HOUR_MS = 3_600_000;
const ISM = `<?xml version="1.0" encoding="utf-8"?>
<smil xmlns="http://www.w3.org/2001/SMIL20/Language">
  <head><meta name="formats" content="vod-fmp4" /></head>
  <body><switch>
    <video src="video_2500000" systemBitrate="2500000"><param name="trackName" value="video"/></video>
    <video src="video_800000" systemBitrate="800000"><param name="trackName" value="video"/></video>
    <audio src="audio_128000" systemBitrate="128000" systemLanguage="de">
      <param name="trackID" value="3"/><param name="trackName" value="ton"/>
    </audio>
    <textstream src="text_0" systemLanguage="und"/>
  </switch></body>
</smil>`;
const VTT =
  'WEBVTT - a title\nLanguage: pt-BR\n\nNOTE no cue\n\n1\n00:00.000 --> 00:02.000 align:start\nOlá\n';
const TTML = '<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="fr"><body/></tt>';

let stack: ArmStack;
let table: HeadendTable;
let folder: string;
let engine: RunningEngine;

beforeAll(async () => {
  stack = await startArmStack();
  ({ engine } = stack);
  table = await openHeadendTable(stack.azurite.connectionString, ACCOUNT);
  folder = await mkdtemp(join(tmpdir(), 'headend-tracks-'));
}, 120_000);

afterAll(async () => {
  await stack?.close();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}, 60_000);

const raw = (method: string, path: string, body?: object): Promise<RawAnswer> =>
  stack.raw(method, `${path}?${API}`, body === undefined ? undefined : JSON.stringify(body));
const messageOf = ({ status, body }: RawAnswer): string =>
  `${status} ${String(Reflect.get(Object(Reflect.get(Object(body), 'error')), 'message'))}`;
const rowsUnder = async (...prefixes: string[]): Promise<string[]> => {
  const lists = await Promise.all(prefixes.map((prefix) => table.list(prefix, { limit: 500 })));
  return lists.flat().map(({ rowKey }) => rowKey);
};

async function upload(asset: string, files: Record<string, string | Buffer>): Promise<void> {
  const expiryTime = new Date(Date.now() + HOUR_MS);
  const sas = await stack.client.assets.listContainerSas(...AT, asset, {
    permissions: 'ReadWrite',
    expiryTime,
  });
  const container = new ContainerClient(sas.assetContainerSasUrls?.[1] ?? '');
  for (const [name, text] of Object.entries(files)) {
    await container.getBlockBlobClient(name).uploadData(Buffer.from(text));
  }
}

async function filmWith(name: string, files: Record<string, string | Buffer>): Promise<void> {
  await stack.client.assets.createOrUpdate(...AT, name, {});
  await upload(name, { 'film.ism': ISM, ...files });
}

const text = (fileName: string, more: object = {}) => ({
  track: { odataType: '#Microsoft.Media.TextTrack', fileName, ...more } as const,
});

describe('an asset', () => {
  it('is deleted with its blobs, locators, filters and tracks, and leaves no row', async () => {
    const { client } = stack;
    await filmWith('Gone', { 'a.vtt': VTT });
    await client.assets.update(...AT, 'gone', { alternateId: 'x', description: 'd' });
    await client.assetFilters.createOrUpdate(...AT, 'Gone', 'first', {});
    await client.tracks.beginCreateOrUpdateAndWait(...AT, 'Gone', 'en', text('a.vtt'), FAST);
    await client.streamingLocators.create(...AT, 'to-gone', {
      assetName: 'GONE',
      streamingPolicyName: 'Predefined_ClearStreamingOnly',
    });
    const { container = '' } = await client.assets.get(...AT, 'Gone');
    await client.assets.delete(...AT, 'Gone');
    const left = await rowsUnder(
      'r!asset!',
      'r!assetfilter!',
      'r!assettrack!',
      'r!streaminglocator!',
      'i!containerofasset!',
      'i!locatorofasset!',
    );
    expect(left.filter((key) => /gone/.test(key))).toEqual([]);
    for (const index of ['name-', 'created', 'created-', 'assetid', 'alternateid']) {
      expect(await rowsUnder(`i!asset.${index}!`)).toEqual([]);
    }
    const blobs = BlobServiceClient.fromConnectionString(stack.azurite.connectionString);
    expect(await blobs.getContainerClient(container).exists()).toBe(false);
    expect((await raw('DELETE', '/assets/Gone')).status).toBe(204);
  });

  it('has its container for itself, and never moves', async () => {
    const at = (name: string) => `/assets/${name}`;
    expect(await raw('PUT', at('first'), { properties: { container: 'shared' } })).toMatchObject({
      status: 201,
    });
    expect(await raw('PUT', at('second'), { properties: { container: 'shared' } })).toMatchObject({
      status: 409,
    });
    expect(messageOf(await raw('PUT', at('first'), { properties: { container: 'another' } }))).toBe(
      "400 The field 'properties.container' cannot be changed after creation.",
    );
    expect(await raw('PUT', at('first'), {})).toMatchObject({ status: 200 });
    const twins = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        raw('PUT', at('twin'), { properties: { description: `by ${index}` } }),
      ),
    );
    expect(twins.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 201]);
    expect(await rowsUnder('i!asset.created!')).toHaveLength(2);
    await stack.client.assets.delete(...AT, 'first');
    expect(await raw('PUT', at('second'), { properties: { container: 'shared' } })).toMatchObject({
      status: 201,
    });
  });

  it('has the encryption scope of its container where the api-version knows of such, or is refused', async () => {
    const body = JSON.stringify({ properties: { encryptionScope: 'scope-1', container: 'scoped' } });
    expect(await stack.raw('PUT', '/assets/scoped?api-version=2022-08-01', body)).toMatchObject({
      status: 400,
    });
    expect(await stack.raw('PUT', `/assets/scoped?${API}`, body)).toMatchObject({
      status: 201,
      body: { properties: { encryptionScope: 'scope-1' } },
    });
    const older = await stack.raw('GET', '/assets/scoped?api-version=2022-08-01');
    expect(Object.keys(Object(Reflect.get(Object(older.body), 'properties')))).not.toContain(
      'encryptionScope',
    );
    const blobs = BlobServiceClient.fromConnectionString(stack.azurite.connectionString);
    await blobs.getContainerClient('unscoped').create();
    const unscoped = { properties: { encryptionScope: 'scope-1', container: 'unscoped' } };
    expect(messageOf(await raw('PUT', '/assets/unscoped', unscoped))).toMatch(/encryptionScope' is invalid/);
    expect(await raw('GET', '/assets/unscoped')).toMatchObject({ status: 404 });
    await stack.client.assets.delete(...AT, 'scoped');
  });

  it('gives two addresses with the permissions that were asked for, for less than a day', async () => {
    const expiryTime = (ms: number) => new Date(Date.now() + ms).toISOString();
    for (const [permissions, sp] of [
      ['Read', 'rl'],
      ['ReadWrite', 'rwl'],
      ['ReadWriteDelete', 'rwdl'],
    ]) {
      const { body } = await raw('POST', '/assets/second/listContainerSas', {
        permissions,
        expiryTime: expiryTime(HOUR_MS),
      });
      const sas: { assetContainerSasUrls?: string[] } = Object(body);
      const urls = (sas.assetContainerSasUrls ?? []).map((url) => new URL(url));
      expect(urls.map(({ searchParams }) => [searchParams.get('sp'), searchParams.get('sr')])).toEqual([
        [sp, 'c'],
        [sp, 'c'],
      ]);
      for (const url of urls) await collect(new ContainerClient(url.href).listBlobsFlat());
    }
    for (const ms of [-1000, 25 * HOUR_MS]) {
      expect(
        await raw('POST', '/assets/second/listContainerSas', { expiryTime: expiryTime(ms) }),
      ).toMatchObject({ status: 400 });
    }
  });

  it('that was stored before there were index rows gets them at the next start, under the key of today', async () => {
    const { client } = stack;
    const row = await table.find('r!asset!second');
    const legacy = { ...Object(row?.body), name: 'Old = older', assetId: randomUUID(), alternateId: 'kept' };
    await table.commit([
      { kind: 'create', rowKey: 'r!asset!old =3d older', body: legacy },
      { kind: 'delete', rowKey: indexStateKey('asset') },
    ]);
    expect(await engine.stop('SIGTERM')).toBe(0);
    await restart();
    const found = await collect(client.assets.list(...AT, { filter: "properties/alternateId eq 'kept'" }));
    expect(found.map(({ name }) => name)).toEqual(['Old = older']);
    expect(await client.assets.get(...AT, 'old = OLDER')).toMatchObject({ assetId: legacy.assetId });
    const newest = await collect(client.assets.list(...AT, { orderby: 'properties/created desc' }));
    expect(newest.map(({ name }) => name)).toContain('Old = older');
    expect(await rowsUnder('r!asset!')).toContain('r!asset!old = older');
    expect(await rowsUnder('r!asset!')).not.toContain('r!asset!old =3d older');
    await client.assets.delete(...AT, 'Old = older');
  }, 60_000);
});

async function restart(): Promise<void> {
  engine = await stack.program.start('control', { HEADEND_STORAGE: stack.azurite.connectionString });
}

describe('filters', () => {
  it('are at most a hundred of an asset, however many come at once', async () => {
    await stack.client.assets.createOrUpdate(...AT, 'cut', {});
    const name = (index: number) => `f${String(index).padStart(3, '0')}`;
    const put = (index: number) => raw('PUT', `/assets/cut/assetFilters/${name(index)}`, {});
    expect((await put(0)).status).toBe(201);
    const key = (index: number) => `r!assetfilter!cut!${name(index)}`;
    const first = Object((await table.find(key(0)))?.body);
    const copy = (index: number) =>
      ({ kind: 'create', rowKey: key(index), body: { ...first, name: name(index) } }) as const;
    await table.commit(Array.from({ length: 96 }, (_, index) => copy(index + 1)));
    const answers = await Promise.all([97, 98, 99, 100, 101, 102].map(put));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 403, 403, 403]);
    expect(await collect(stack.client.assetFilters.list(...AT, 'cut'))).toHaveLength(100);
    // One that exists is no new one.
    expect(
      await raw('PUT', `/assets/cut/assetFilters/${name(0)}`, {
        properties: { firstQuality: { bitrate: 1 } },
      }),
    ).toMatchObject({
      status: 200,
    });
  }, 60_000);

  it('of the account are listed without OData, keep what a PATCH does not send, and always have tracks', async () => {
    const path = '/accountFilters/Hd';
    const range = { startTimestamp: 0, endTimestamp: 170_000_000, timescale: 10_000_000 };
    const created = await raw('PUT', path, {
      properties: { presentationTimeRange: { ...range, liveBackoffDuration: null } },
    });
    expect(created).toMatchObject({
      status: 201,
      body: { properties: { presentationTimeRange: range, tracks: [] }, systemData: {} },
    });
    expect(await raw('PATCH', path, { properties: { firstQuality: { bitrate: 128_000 } } })).toMatchObject({
      status: 200,
      body: { properties: { presentationTimeRange: range, firstQuality: { bitrate: 128_000 }, tracks: [] } },
    });
    const emptied = await raw('PATCH', path, { properties: { presentationTimeRange: null } });
    expect(Reflect.get(Object(emptied.body), 'properties')).toEqual({
      firstQuality: { bitrate: 128_000 },
      tracks: [],
    });
    expect(Reflect.get(Object((await raw('PUT', path, {})).body), 'properties')).toEqual({ tracks: [] });
    expect(messageOf(await stack.raw('GET', `/accountFilters?${API}&$filter=name%20eq%20'a'`))).toBe(
      "400 The query option '$filter' is not supported here.",
    );
    expect(await raw('PATCH', '/accountFilters/none', {})).toMatchObject({ status: 404 });
    expect(await raw('DELETE', path)).toMatchObject({ status: 200 });
    expect(await raw('DELETE', path)).toMatchObject({ status: 204 });
    expect(await raw('GET', '/assets/none/assetFilters')).toMatchObject({ status: 404 });
  });

  const range = (properties: object) => ({ presentationTimeRange: properties });
  const selection = (property: string, value: string) => ({
    tracks: [{ trackSelections: [{ property, operation: 'Equal', value }] }],
  });
  it.each([
    [
      'an end before the start',
      range({ startTimestamp: 5, endTimestamp: 5 }),
      'presentationTimeRange.endTimestamp',
    ],
    [
      'an end that is forced and not there',
      range({ forceEndTimestamp: true }),
      'presentationTimeRange.forceEndTimestamp',
    ],
    ['a start below 0', range({ startTimestamp: -1 }), 'presentationTimeRange.startTimestamp'],
    ['a timescale of 0', range({ timescale: 0 }), 'presentationTimeRange.timescale'],
    [
      'a window of 59 s',
      range({ presentationWindowDuration: 59, timescale: 1 }),
      'presentationTimeRange.presentationWindowDuration',
    ],
    [
      'a back-off of 301 s',
      range({ liveBackoffDuration: 301, timescale: 1 }),
      'presentationTimeRange.liveBackoffDuration',
    ],
    [
      'a back-off as long as the window',
      range({ liveBackoffDuration: 60, presentationWindowDuration: 60, timescale: 1 }),
      'presentationTimeRange.liveBackoffDuration',
    ],
    ['a first quality of 0', { firstQuality: { bitrate: 0 } }, 'firstQuality.bitrate'],
    ['an unknown property', selection('Unknown', 'x'), 'tracks.0.trackSelections.0.property'],
    ['an unknown type', selection('Type', 'Smell'), 'tracks.0.trackSelections.0.value'],
    ['an empty name', selection('Name', ''), 'tracks.0.trackSelections.0.value'],
    ['no language', selection('Language', 'e n'), 'tracks.0.trackSelections.0.value'],
    ['no four characters', selection('FourCC', 'EC3'), 'tracks.0.trackSelections.0.value'],
    ['a range that runs down', selection('Bitrate', '5000-3000'), 'tracks.0.trackSelections.0.value'],
    ['no number', selection('Bitrate', 'fast'), 'tracks.0.trackSelections.0.value'],
  ])('refuse %s', async (_name, properties, field) => {
    const answer = await raw('PUT', '/accountFilters/wrong', { properties });
    expect(messageOf(answer)).toMatch(`400 The field 'properties.${field}' is invalid: `);
  });
});

describe('tracks', () => {
  it('of the server manifest are listed, and stay as they are', async () => {
    await filmWith('listed', {});
    const listed = await collect(stack.client.tracks.list(...AT, 'listed'));
    expect(listed.map(({ name, track }) => ({ name, ...track }))).toEqual([
      { name: 'video', odataType: '#Microsoft.Media.VideoTrack' },
      { name: 'video_800000', odataType: '#Microsoft.Media.VideoTrack' },
      {
        name: 'ton',
        odataType: '#Microsoft.Media.AudioTrack',
        fileName: 'audio_128000',
        languageCode: 'de',
        mpeg4TrackId: 3,
        bitRate: 128_000,
      },
      { name: 'text', odataType: '#Microsoft.Media.TextTrack', fileName: 'text_0' },
    ]);
    expect(await raw('GET', '/assets/listed/tracks/TON')).toMatchObject({
      status: 200,
      body: { name: 'ton' },
    });
    for (const [method, more] of [
      ['DELETE', ''],
      ['POST', '/updateTrackData'],
    ] as const) {
      expect(messageOf(await raw(method, `/assets/listed/tracks/ton${more}`))).toMatch(
        /^400 The track 'ton' is listed/,
      );
    }
    await upload('listed', { 'x.vtt': VTT });
    const taken = {
      properties: { track: { '@odata.type': '#Microsoft.Media.TextTrack', fileName: 'x.vtt' } },
    };
    expect(await raw('PUT', '/assets/listed/tracks/ton', taken)).toMatchObject({ status: 409 });
  });

  it('have the language of their WebVTT or TTML file, and read it again when asked', async () => {
    const { tracks } = stack.client;
    await filmWith('texts', { 'a.vtt': VTT, 'b.TTML': TTML });
    const [vtt, ttml] = [[...AT, 'texts', 'a'] as const, [...AT, 'texts', 'b'] as const];
    const settings = { displayName: 'Legendas', hlsSettings: { default: true, forced: false } };
    expect(await tracks.beginCreateOrUpdateAndWait(...vtt, text('a.vtt', settings), FAST)).toMatchObject({
      provisioningState: 'Succeeded',
      track: { ...settings, languageCode: 'pt-BR', playerVisibility: 'Visible' },
    });
    const { track } = await tracks.beginCreateOrUpdateAndWait(
      ...ttml,
      text('b.TTML', { playerVisibility: 'Hidden' }),
      FAST,
    );
    expect(track).toMatchObject({ languageCode: 'fr', playerVisibility: 'Hidden' });
    await upload('texts', { 'a.vtt': VTT.replace('pt-BR', 'es') });
    await tracks.beginUpdateTrackDataAndWait(...vtt, FAST);
    expect((await tracks.get(...vtt)).track).toMatchObject({ languageCode: 'es', displayName: 'Legendas' });
    expect(
      messageOf(
        await raw('PATCH', '/assets/texts/tracks/a', {
          properties: { track: { '@odata.type': '#Microsoft.Media.TextTrack', fileName: 'b.ttml' } },
        }),
      ),
    ).toMatch(/fileName' cannot be changed/);
  });

  it('of sound know the bit rate and the id of the track in their MP4', async () => {
    const file = join(folder, 'sound.mp4');
    await ffmpeg(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=64x64:d=2',
      '-f',
      'lavfi',
      '-i',
      'sine=d=2',
      '-c:a',
      'aac',
      '-b:a',
      '96k',
      '-y',
      file,
    );
    await filmWith('sounds', {
      'sound.mp4': await readFile(file),
      'noise.mp4': 'no boxes here, none at all',
    });
    const { tracks } = stack.client;
    const audio = (more: object) => ({
      track: { odataType: '#Microsoft.Media.AudioTrack', ...more } as const,
    });
    const { track } = await tracks
      .beginCreateOrUpdateAndWait(
        ...AT,
        'sounds',
        'ton',
        audio({ fileName: 'sound.mp4', languageCode: 'de' }),
        FAST,
      )
      .catch(() => ({ track: undefined }));
    // `ton` is in the manifest already.
    expect(track).toBeUndefined();
    const made = await tracks.beginCreateOrUpdateAndWait(
      ...AT,
      'sounds',
      'sound',
      audio({ fileName: 'sound.mp4', languageCode: 'de', dashSettings: { role: 'dub' } }),
      FAST,
    );
    const { bitRate, ...rest } = { bitRate: 0, ...made.track };
    expect(rest).toMatchObject({ mpeg4TrackId: 2, languageCode: 'de', dashSettings: { role: 'dub' } });
    expect(bitRate).toBeGreaterThan(40_000);
    expect(bitRate).toBeLessThan(140_000);
    const failed = async (fileName: string, mpeg4TrackId?: number) =>
      (
        await refusal(
          tracks.beginCreateOrUpdateAndWait(
            ...AT,
            'sounds',
            randomUUID(),
            audio({ fileName, mpeg4TrackId }),
            FAST,
          ),
        )
      ).message;
    expect(await failed('sound.mp4', 1)).toMatch('The file does not contain an audio track with the id 1.');
    expect(await failed('noise.mp4')).toMatch('Error while parsing MP4 file.');
  }, 60_000);

  it('whose file cannot be read end in a failed operation that says why', async () => {
    await filmWith('broken', { 'bad.vtt': 'WEBVTT\n\n00:01.000 --> 00:00.500\nbackwards\n' });
    const body = {
      properties: { track: { '@odata.type': '#Microsoft.Media.TextTrack', fileName: 'bad.vtt' } },
    };
    const path = '/assets/broken/tracks/bad';
    const begun = await raw('PUT', path, body);
    expect(begun).toMatchObject({ status: 201, body: { properties: { provisioningState: 'InProgress' } } });
    const [status, result] = ['azure-asyncoperation', 'location'].map((name) =>
      relative(begun.headers[name]),
    );
    const over = await poll(status ?? '');
    const error = {
      code: 'ClientError',
      message: 'Error while parsing WEBVTT file and creating CMFT header.',
    };
    expect(over).toMatchObject({
      status: 200,
      body: { status: 'Failed', error, startTime: expect.any(String), endTime: expect.any(String) },
    });
    expect(await stack.raw('GET', result ?? '')).toMatchObject({ status: 400, body: { error } });
    expect(await raw('GET', path)).toMatchObject({ body: { properties: { provisioningState: 'Failed' } } });
    // It can be put right.
    await upload('broken', { 'bad.vtt': VTT });
    expect((await raw('PUT', path, body)).status).toBe(200);
  });

  const text1 = (fileName: string | undefined) => ({ '@odata.type': '#Microsoft.Media.TextTrack', fileName });
  it.each([
    ['a file that is not there', text1('none.vtt'), '400 Target resource file does not exist.'],
    [
      'no file',
      text1(undefined),
      "400 The field 'properties.track.fileName' is invalid: the name of a file in the asset's container is expected.",
    ],
    [
      'a file of another kind',
      text1('film.ism'),
      "400 The field 'properties.track.fileName' is invalid: a file that ends in .vtt or .ttml is expected.",
    ],
    [
      'a file elsewhere',
      text1('../x.vtt'),
      "400 The field 'properties.track.fileName' is invalid: the name of a file in the asset's container is expected.",
    ],
    [
      'a video track',
      { '@odata.type': '#Microsoft.Media.VideoTrack' },
      "400 The field 'properties.track.@odata.type' is invalid: video tracks come with their asset, audio and text tracks can be added.",
    ],
    ['nothing', undefined, "400 The field 'properties.track' is invalid: a track is expected."],
  ])('refuse %s', async (_name, track, message) => {
    expect(messageOf(await raw('PUT', '/assets/listed/tracks/new', { properties: { track } }))).toBe(message);
  });

  it('need a server manifest, and an operation needs the track to itself', async () => {
    await stack.client.assets.createOrUpdate(...AT, 'bare', {});
    await upload('bare', { 'a.vtt': VTT });
    const body = { properties: { track: text1('a.vtt') } };
    expect(messageOf(await raw('PUT', '/assets/bare/tracks/a', body))).toMatch(/no server manifest/);
    await upload('bare', { 'film.ism': ISM });
    const twice = await Promise.all([
      raw('PUT', '/assets/bare/tracks/a', body),
      raw('PUT', '/assets/bare/tracks/a', body),
    ]);
    expect(twice.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(twice.every(({ status }) => status === 201 || status === 200 || status === 409)).toBe(true);
    expect(await raw('GET', `/assets/bare/tracks/a/operationStatuses/${randomUUID()}`)).toMatchObject({
      status: 404,
    });
  });

  it('whose operation a crash cut short are finished by the next start', async () => {
    await filmWith('crashed', { 'a.vtt': VTT });
    const id = randomUUID();
    const key = 'r!assettrack!crashed!a';
    const now = new Date().toISOString();
    const audit = { created: now, lastModified: now, createdBy: 'someone', lastModifiedBy: 'someone' };
    const track = { ...text1('a.vtt'), playerVisibility: 'Visible' };
    const body = {
      name: 'a',
      assetName: 'crashed',
      ...audit,
      track,
      provisioningState: 'InProgress',
      pendingOperationId: id,
    };
    const operation = {
      id,
      kind: 'createAssetTrack',
      target: key,
      resource: 'assets/crashed/tracks/a',
      phase: 0,
      status: 'InProgress',
      startedAtMs: 0,
      changedAtMs: 0,
    };
    await table.commit([
      { kind: 'create', rowKey: key, body },
      { kind: 'create', rowKey: operationKey(id), body: operation, state: 'InProgress' },
    ]);
    const delayed = messageOf(await raw('DELETE', '/assets/crashed/tracks/a'));
    expect(delayed).toBe('409 There is another operation already in progress on the track.');
    await engine.stop('SIGKILL');
    await restart();
    const over = await poll(`/assets/crashed/tracks/a/operationStatuses/${id}?${API}`);
    expect(over).toMatchObject({ body: { status: 'Succeeded' } });
    expect(await raw('GET', '/assets/crashed/tracks/a')).toMatchObject({
      body: { properties: { track: { languageCode: 'pt-BR' } } },
    });
  }, 60_000);
});

const relative = (address: string | string[] | undefined): string =>
  String(address).split(`/mediaservices/${ACCOUNT}`)[1] ?? '';

async function poll(path: string): Promise<RawAnswer> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const answer = await stack.raw('GET', path);
    if (answer.status !== 200 || Reflect.get(Object(answer.body), 'status') !== 'InProgress') return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the operation did not end');
}
