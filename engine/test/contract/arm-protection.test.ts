import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AzureMediaServices, ContentKeyPolicyOption, StreamingPolicy } from '@azure/arm-mediaservices';
import { TableClient } from '@azure/data-tables';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { streamingPolicyKey } from '../../src/resources/row-keys.ts';
import { newStreamingPolicy } from '../../src/resources/streaming-policy.ts';
import { createDeliveryDirectory } from '../../src/store/delivery-directory-table.ts';
import { EngineIndex } from '../../src/store/engine-index.ts';
import { openHeadendTable } from '../../src/store/headend-table.ts';
import { ACCOUNT, ACCOUNT_ID, GROUP, refusal } from '../support/arm-client.ts';
import { type ArmStack, collect, startArmStack } from '../support/arm-stack.ts';
import { makeCertificate } from '../support/certificates.ts';

const API = 'api-version=2023-01-01';
const AT = [GROUP, ACCOUNT] as const;
const OPEN: ContentKeyPolicyOption = {
  configuration: { odataType: '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' },
  restriction: { odataType: '#Microsoft.Media.ContentKeyPolicyOpenRestriction' },
};
const ENVELOPE: StreamingPolicy = {
  envelopeEncryption: {
    enabledProtocols: { download: false, dash: true, hls: true, smoothStreaming: true },
    contentKeys: { defaultKey: { label: 'aes' } },
  },
};
const NOT_FOUND = {
  status: 404,
  code: 'NotFound',
  message: 'The requested resource was not found.',
};
/** Every secret that this file has sent or been given: none may be on a disk or in a log. */
const secrets: string[] = [];
const secretBytes = (size: number): Uint8Array => {
  const bytes = randomBytes(size);
  secrets.push(bytes.toString('base64'));
  return bytes;
};

let stack: ArmStack;
let client: AzureMediaServices;
let raw: ArmStack['raw'];

beforeAll(async () => {
  stack = await startArmStack();
  ({ client, raw } = stack);
  await Promise.all(['one', 'two'].map((name) => client.assets.createOrUpdate(...AT, name, {})));
  await client.contentKeyPolicies.createOrUpdate(...AT, 'Open', { options: [OPEN] });
}, 120_000);

afterAll(() => stack?.close(), 60_000);

const tokenOption = (keyValue: Uint8Array): ContentKeyPolicyOption => ({
  name: 'token',
  configuration: { odataType: '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' },
  restriction: {
    odataType: '#Microsoft.Media.ContentKeyPolicyTokenRestriction',
    issuer: 'urn:issuer',
    audience: 'urn:audience',
    primaryVerificationKey: {
      odataType: '#Microsoft.Media.ContentKeyPolicySymmetricTokenKey',
      keyValue,
    },
    restrictionTokenType: 'Jwt',
  },
});
const keyOf = (option: ContentKeyPolicyOption | undefined): unknown =>
  Reflect.get(Object(Reflect.get(Object(option?.restriction), 'primaryVerificationKey')), 'keyValue');

describe('content key policies', () => {
  it('are created, read, changed and deleted; secrets are shown by one call only', async () => {
    const { contentKeyPolicies: policies } = client;
    const key = secretBytes(32);
    const body = { description: 'first', options: [OPEN, tokenOption(key)] };
    const created = await policies.createOrUpdate(...AT, 'Tokens', body);
    expect(created).toMatchObject({
      id: `${ACCOUNT_ID}/contentKeyPolicies/Tokens`,
      type: 'Microsoft.Media/mediaservices/contentKeyPolicies',
      description: 'first',
      systemData: { createdByType: 'Application' },
    });
    expect(keyOf(created.options?.[1])).toBeNull();
    const withSecrets = () => policies.getPolicyPropertiesWithSecrets(...AT, 'tokens');
    const bare = await withSecrets();
    expect(Object.keys(bare).sort()).toEqual([
      'created',
      'description',
      'lastModified',
      'options',
      'policyId',
    ]);
    expect(keyOf(bare.options[1])).toEqual(new Uint8Array(key));

    const patched = await policies.update(...AT, 'TOKENS', { description: 'second' });
    expect([patched.policyId, patched.description]).toEqual([created.policyId, 'second']);
    const ids = (policy: { options?: ContentKeyPolicyOption[] }) =>
      policy.options?.map(({ policyOptionId }) => policyOptionId);
    expect(new Set([...(ids(created) ?? []), ...(ids(patched) ?? [])]).size).toBe(4);
    expect(keyOf((await withSecrets()).options[1])).toEqual(new Uint8Array(key));

    const replaced = await policies.createOrUpdate(...AT, 'Tokens', { options: [OPEN] });
    expect(replaced).toMatchObject({ policyId: created.policyId, created: created.created });
    expect([replaced.description, replaced.options?.length]).toEqual([undefined, 1]);
    await policies.delete(...AT, 'tokens');
    expect(await refusal(policies.get(...AT, 'Tokens'))).toEqual(NOT_FOUND);
    expect(await refusal(policies.getPolicyPropertiesWithSecrets(...AT, 'Tokens'))).toEqual(NOT_FOUND);
    expect(await refusal(policies.update(...AT, 'Tokens', {}))).toEqual(NOT_FOUND);
  });

  it('answer 200 to a PUT, new or not, and 204 to the deletion of what is not there', async () => {
    const body = JSON.stringify({ properties: { options: [option()] } });
    const put = () => raw('PUT', `/contentKeyPolicies/plain?${API}`, body);
    expect([(await put()).status, (await put()).status]).toEqual([200, 200]);
    const remove = () => raw('DELETE', `/contentKeyPolicies/plain?${API}`);
    expect([(await remove()).status, (await remove()).status]).toEqual([200, 204]);
  });

  const option = () => ({
    configuration: { '@odata.type': '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' },
    restriction: { '@odata.type': '#Microsoft.Media.ContentKeyPolicyOpenRestriction' },
  });

  it('refuse what is hidden when it is sent back, and a certificate of a curve', async () => {
    const { contentKeyPolicies: policies } = client;
    await policies.createOrUpdate(...AT, 'hidden', { options: [tokenOption(secretBytes(32))] });
    const shown = await raw('GET', `/contentKeyPolicies/hidden?${API}`);
    const echoed = await raw('PUT', `/contentKeyPolicies/hidden?${API}`, JSON.stringify(shown.body));
    expect(echoed).toMatchObject({
      status: 400,
      body: {
        error: { code: 'BadRequest', message: expect.stringMatching(/keyValue' is invalid: it is required/) },
      },
    });
    const { certPem } = await makeCertificate();
    const certificate = {
      ...option(),
      restriction: {
        '@odata.type': '#Microsoft.Media.ContentKeyPolicyTokenRestriction',
        issuer: 'i',
        audience: 'a',
        restrictionTokenType: 'Jwt',
        primaryVerificationKey: {
          '@odata.type': '#Microsoft.Media.ContentKeyPolicyX509CertificateTokenKey',
          rawBody: Buffer.from(certPem).toString('base64'),
        },
      },
    };
    const body = JSON.stringify({ properties: { options: [certificate] } });
    expect((await raw('PUT', `/contentKeyPolicies/hidden?${API}`, body)).status).toBe(400);
  });

  it('take changes of many at the same time: each is whole, the last one stays', async () => {
    const { contentKeyPolicies: policies } = client;
    const keys = Array.from({ length: 6 }, () => secretBytes(32));
    const puts = keys.map((key) =>
      policies.createOrUpdate(...AT, 'contended', { options: [tokenOption(key)] }).then(
        () => 'ok',
        (error: unknown) => Reflect.get(Object(error), 'statusCode'),
      ),
    );
    expect((await Promise.all(puts)).filter((result) => result !== 'ok' && result !== 409)).toEqual([]);
    const { options } = await policies.getPolicyPropertiesWithSecrets(...AT, 'contended');
    const shown = await policies.get(...AT, 'contended');
    expect(options[0]?.policyOptionId).toBe(shown.options?.[0]?.policyOptionId);
    expect(keys.map((key) => new Uint8Array(key))).toContainEqual(keyOf(options[0]));
  });

  it('are listed by what the original could filter and order by', async () => {
    const { contentKeyPolicies: policies } = client;
    const names = ['list-a', 'list-b', 'list-c'];
    const made = [];
    for (const name of names) {
      made.push(await policies.createOrUpdate(...AT, name, { description: `of ${name}`, options: [OPEN] }));
    }
    const [first, second] = made;
    const list = async (filter: string, orderby?: string) =>
      (await collect(policies.list(...AT, { filter, ...(orderby === undefined ? {} : { orderby }) }))).map(
        ({ name }) => name,
      );
    const ours = "name ge 'list-a' and name le 'list-c'";
    expect(await list(ours, 'name desc')).toEqual(['list-c', 'list-b', 'list-a']);
    expect(await list(`${ours} and name ne 'list-b'`)).toEqual(['list-a', 'list-c']);
    expect(await list(`properties/policyId eq ${second?.policyId}`)).toEqual(['list-b']);
    expect(await list("properties/description eq 'of list-c'")).toEqual(['list-c']);
    const since = `properties/created gt ${first?.created?.toISOString()} and ${ours}`;
    expect(await list(since, 'properties/created desc')).toEqual(['list-c', 'list-b']);
    await policies.update(...AT, 'list-a', {});
    expect(await list(ours, 'properties/lastModified desc')).toEqual(['list-a', 'list-c', 'list-b']);
    const listed = await collect(policies.list(...AT, { top: 2, filter: ours }));
    expect(listed.map(({ name }) => name)).toEqual(['list-a', 'list-b']);
  });
});

describe('streaming policies', () => {
  it('are created once, listed among the predefined ones, and deleted when nobody uses them', async () => {
    const { streamingPolicies: policies, streamingLocators } = client;
    const body = { ...ENVELOPE, defaultContentKeyPolicyName: 'Open' };
    const created = await policies.create(...AT, 'Mine', body);
    expect(created).toMatchObject({
      id: `${ACCOUNT_ID}/streamingPolicies/Mine`,
      defaultContentKeyPolicyName: 'Open',
      envelopeEncryption: { clearTracks: [], contentKeys: { keyToTrackMappings: [] } },
    });
    expect(await policies.get(...AT, 'mine')).toEqual(created);
    expect(await refusal(policies.create(...AT, 'MINE', body))).toMatchObject({
      status: 409,
      code: 'Conflict',
    });
    const names = async (options: object = {}) =>
      (await collect(policies.list(...AT, options))).map(({ name }) => name);
    expect(await names()).toEqual([
      'Mine',
      'Predefined_ClearKey',
      'Predefined_ClearStreamingOnly',
      'Predefined_DownloadAndClearStreaming',
      'Predefined_DownloadOnly',
      'Predefined_MultiDrmCencStreaming',
      'Predefined_MultiDrmStreaming',
    ]);
    expect(await names({ orderby: 'name desc', top: 2 })).toEqual([
      'Predefined_MultiDrmStreaming',
      'Predefined_MultiDrmCencStreaming',
    ]);
    expect(await names({ filter: 'properties/created gt 2020-01-01' })).toEqual(['Mine']);
    await streamingLocators.create(...AT, 'user', { assetName: 'one', streamingPolicyName: 'mine' });
    expect(await refusal(policies.delete(...AT, 'Mine'))).toEqual({
      status: 400,
      code: 'BadRequest',
      message: "The streaming policy 'Mine' is in use by the streaming locator 'user'.",
    });
    await streamingLocators.delete(...AT, 'user');
    await policies.delete(...AT, 'MINE');
    expect(await refusal(policies.get(...AT, 'Mine'))).toEqual(NOT_FOUND);
    expect((await raw('DELETE', `/streamingPolicies/Mine?${API}`)).status).toBe(204);
    expect(await refusal(policies.delete(...AT, 'Predefined_ClearKey'))).toMatchObject({ status: 400 });
    expect(await refusal(policies.create(...AT, 'predefined_clearkey', body))).toMatchObject({ status: 409 });
  });

  it('name content key policies that are there', async () => {
    const named = (name: string) => ({ ...ENVELOPE, defaultContentKeyPolicyName: name });
    expect(await refusal(client.streamingPolicies.create(...AT, 'lost', named('nobody')))).toEqual({
      status: 404,
      code: 'NotFound',
      message: "The content key policy 'nobody' was not found.",
    });
  });

  it('are used by previews of live events', async () => {
    await client.streamingPolicies.create(...AT, 'preview', ENVELOPE);
    const body = {
      location: 'local',
      properties: { input: { streamingProtocol: 'RTMP' }, preview: { streamingPolicyName: 'preview' } },
    };
    const created = await raw('PUT', `/liveEvents/protected?${API}`, JSON.stringify(body));
    expect([200, 201]).toContain(created.status);
    const lost = body.properties.preview.streamingPolicyName.replace('preview', 'nobody');
    const refused = { ...body, properties: { ...body.properties, preview: { streamingPolicyName: lost } } };
    expect(await raw('PUT', `/liveEvents/lost?${API}`, JSON.stringify(refused))).toMatchObject({
      status: 404,
      body: { error: { message: "The streaming policy 'nobody' was not found." } },
    });
    const { preview } = await client.liveEvents.get(...AT, 'protected');
    expect(await viewOf(preview?.previewLocator)).toMatchObject({
      kind: 'preview',
      rules: {
        clear: { hls: false, dash: false, smooth: false, download: false },
        encrypted: [{ scheme: 'aes128', protocols: { hls: true, dash: true }, keys: undefined }],
      },
    });
    expect(await refusal(client.streamingPolicies.delete(...AT, 'preview'))).toMatchObject({
      message: "The streaming policy 'preview' is in use by the preview of the live event 'protected'.",
    });
  });

  it('are a hundred at most', async () => {
    const make = (name: string) => client.streamingPolicies.create(...AT, name, ENVELOPE);
    const existing = (await collect(client.streamingPolicies.list(...AT))).length - 6;
    const table = await openHeadendTable(stack.azurite.connectionString, ACCOUNT);
    // As the engine stores them; all but the last few of the hundred.
    const record = (name: string) => ({
      ...newStreamingPolicy(
        {
          noEncryption: {
            enabledProtocols: { download: false, dash: true, hls: true, smoothStreaming: true },
          },
        },
        { name, caller: { id: 'test' }, nowIso: new Date().toISOString() },
      ),
    });
    const names = Array.from({ length: 97 - existing }, (_, index) => `many-${index}`);
    await table.commit(
      names.map((name) => ({ kind: 'create', rowKey: streamingPolicyKey(name), body: record(name) })),
    );
    const last = ['last-1', 'last-2', 'last-3', 'last-4', 'last-5', 'last-6'];
    const results = await Promise.all(last.map((name) => refusal(make(name))));
    const refused = results.filter(({ code }) => code !== 'undefined');
    expect(refused).toEqual(
      Array(3).fill({
        status: 403,
        code: 'QuotaExceeded',
        message: 'The limit of 100 streaming policies of an account is reached.',
      }),
    );
    await table.commit(names.map((name) => ({ kind: 'delete', rowKey: streamingPolicyKey(name) })));
  });
});

describe('content keys of streaming locators', () => {
  const keysOf = async (name: string) =>
    (await client.streamingLocators.listContentKeys(...AT, name)).contentKeys ?? [];
  const drm = { assetName: 'one', streamingPolicyName: 'Predefined_MultiDrmStreaming' };

  it('are made for each key of the policy, echoed without values and shown by one call', async () => {
    const { streamingLocators: locators } = client;
    const created = await locators.create(...AT, 'drm', { ...drm, defaultContentKeyPolicyName: 'open' });
    expect(created.contentKeys).toEqual([
      {
        id: expect.any(String),
        type: 'CommonEncryptionCenc',
        labelReferenceInStreamingPolicy: 'cencKeyDefault',
        tracks: [],
      },
      {
        id: expect.any(String),
        type: 'CommonEncryptionCbcs',
        labelReferenceInStreamingPolicy: 'cbcsKeyDefault',
        tracks: [],
      },
    ]);
    expect(created.defaultContentKeyPolicyName).toBe('open');
    const keys = await keysOf('DRM');
    expect(keys).toEqual(
      created.contentKeys?.map((key) => ({ ...key, policyName: 'open', value: expect.any(String) })),
    );
    secrets.push(...keys.map(({ value = '' }) => value));
    expect(keys.map(({ value = '' }) => Buffer.from(value, 'base64').length)).toEqual([16, 16]);
    const listed = await collect(locators.list(...AT, { filter: "name eq 'drm'" }));
    expect(listed.map(({ contentKeys, filters }) => [contentKeys, filters])).toEqual([[[], []]]);
    const ofAsset = await client.assets.listStreamingLocators(...AT, 'one');
    expect(ofAsset.streamingLocators).toContainEqual(
      expect.objectContaining({ name: 'drm', defaultContentKeyPolicyName: 'open' }),
    );
    expect(await locators.listPaths(...AT, 'drm')).toEqual({
      streamingPaths: [
        { streamingProtocol: 'Dash', encryptionScheme: 'CommonEncryptionCenc', paths: [] },
        { streamingProtocol: 'SmoothStreaming', encryptionScheme: 'CommonEncryptionCenc', paths: [] },
        { streamingProtocol: 'Hls', encryptionScheme: 'CommonEncryptionCbcs', paths: [] },
      ],
      downloadPaths: [],
    });
  });

  it('and protocols in the clear are what the origin goes by, of any policy', async () => {
    const { streamingLocators: locators, streamingPolicies: policies } = client;
    const clear = { download: true, dash: false, hls: true, smoothStreaming: false };
    await policies.create(...AT, 'both', { ...ENVELOPE, noEncryption: { enabledProtocols: clear } });
    const made = await locators.create(...AT, 'both', { assetName: 'one', streamingPolicyName: 'both' });
    expect(await viewOf(made.streamingLocatorId)).toMatchObject({
      kind: 'asset',
      assetName: 'one',
      rules: {
        clear: { hls: true, dash: false, smooth: false, download: true },
        encrypted: [{ scheme: 'aes128', protocols: { hls: true, dash: true } }],
      },
      filters: [],
    });
    expect(await locators.listPaths(...AT, 'both')).toEqual({
      streamingPaths: [
        { streamingProtocol: 'Hls', encryptionScheme: 'NoEncryption', paths: [] },
        { streamingProtocol: 'Hls', encryptionScheme: 'EnvelopeEncryption', paths: [] },
        { streamingProtocol: 'Dash', encryptionScheme: 'EnvelopeEncryption', paths: [] },
        { streamingProtocol: 'SmoothStreaming', encryptionScheme: 'EnvelopeEncryption', paths: [] },
      ],
      downloadPaths: [],
    });
    await client.accountFilters.createOrUpdate(...AT, 'short', {});
    await client.assetFilters.createOrUpdate(...AT, 'one', 'long', {});
    const filtered = await locators.create(...AT, 'filtered', {
      assetName: 'one',
      streamingPolicyName: 'Predefined_ClearStreamingOnly',
      filters: ['SHORT', 'long'],
    });
    expect(filtered.filters).toEqual(['SHORT', 'long']);
    expect(await viewOf(filtered.streamingLocatorId)).toMatchObject({ filters: ['SHORT', 'long'] });
    const { streamingPaths = [] } = await locators.listPaths(...AT, 'filtered');
    expect(streamingPaths.map(({ streamingProtocol }) => streamingProtocol)).toEqual([
      'Hls',
      'Dash',
      'SmoothStreaming',
    ]);
  });

  it('are the same in two accounts and for two assets when their callers bring them', async () => {
    const { streamingLocators: locators } = client;
    const [cenc, cbcs] = [randomUUID(), randomUUID()];
    const value = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
    const [one, other] = [value(secretBytes(16)), value(secretBytes(16))];
    const brought = (cencValue: string) => ({
      contentKeys: [
        { id: cenc.toUpperCase(), labelReferenceInStreamingPolicy: 'cencKeyDefault', value: cencValue },
        { id: cbcs, labelReferenceInStreamingPolicy: 'cbcsKeyDefault', value: other },
      ],
    });
    const shared = (name: string, assetName: string, cencValue = one) =>
      locators.create(...AT, name, { ...drm, assetName, ...brought(cencValue) });
    await shared('shared-1', 'one');
    await shared('shared-2', 'two');
    const values = async (name: string) => (await keysOf(name)).map((key) => [key.id, key.value]);
    expect(await values('shared-2')).toEqual([
      [cenc, one],
      [cbcs, other],
    ]);
    expect(await refusal(shared('shared-3', 'two', other))).toEqual({
      status: 409,
      code: 'Conflict',
      message: `Content key id '${cenc}' already exists, please choose another one.`,
    });
    expect(await refusal(locators.get(...AT, 'shared-3'))).toEqual(NOT_FOUND);
    // By its id alone: the key that has it.
    const byId = [{ id: cenc, labelReferenceInStreamingPolicy: 'cencKeyDefault' }];
    await locators.create(...AT, 'shared-4', { ...drm, contentKeys: byId });
    expect((await values('shared-4'))[0]).toEqual([cenc, one]);
    // Once nobody uses the id any more, another key may have it.
    for (const name of ['shared-1', 'shared-2', 'shared-4']) await locators.delete(...AT, name);
    await shared('shared-3', 'two', other);
    expect((await values('shared-3'))[0]).toEqual([cenc, other]);
  });

  it('cannot be two under one id, however many ask at once', async () => {
    const id = randomUUID();
    const attempts = Array.from({ length: 5 }, (_, index) => {
      const value = Buffer.from(secretBytes(16)).toString('base64');
      const contentKeys = [{ id, labelReferenceInStreamingPolicy: 'clearKeyDefault', value }];
      return client.streamingLocators
        .create(...AT, `racing-${index}`, {
          assetName: index % 2 === 0 ? 'one' : 'two',
          streamingPolicyName: 'Predefined_ClearKey',
          contentKeys,
        })
        .then(
          () => 201,
          (error: unknown) => Reflect.get(Object(error), 'statusCode'),
        );
    });
    expect((await Promise.all(attempts)).sort()).toEqual([201, 409, 409, 409, 409]);
  });

  it('list a path for each form, in the order of the original, and the files that can be downloaded', async () => {
    const { streamingLocators: locators } = client;
    await client.assets.createOrUpdate(...AT, 'film', { container: 'film-here' });
    const container = BlobServiceClient.fromConnectionString(
      stack.azurite.connectionString,
    ).getContainerClient('film-here');
    const files = [
      'a b.ism',
      'a b.ismc',
      'a b_1.mpi',
      'film.mp4',
      'film (1).vtt',
      'a b.headend/video/000001',
    ];
    for (const file of files) await container.getBlockBlobClient(file).uploadData(Buffer.from('x'));
    const pathsOf = async (streamingPolicyName: string, filters: string[] = []) => {
      const name = `film-${streamingPolicyName}-${filters.length}`;
      const made = { assetName: 'film', streamingPolicyName, filters, defaultContentKeyPolicyName: 'open' };
      const { streamingLocatorId = '' } = await locators.create(...AT, name, made);
      return JSON.parse(
        JSON.stringify(await locators.listPaths(...AT, name)).replaceAll(streamingLocatorId, '-'),
      );
    };
    const manifest = '/-/a%20b.ism/manifest';
    const formsOf = (streamingProtocol: string, encryptionScheme: string, forms: readonly string[]) => ({
      streamingProtocol,
      encryptionScheme,
      paths: forms.map((form) => `${manifest}${form}`),
    });
    const clear = [
      formsOf('Hls', 'NoEncryption', ['(format=m3u8-cmaf)', '(format=m3u8-aapl)']),
      formsOf('Dash', 'NoEncryption', ['(format=mpd-time-cmaf)', '(format=mpd-time-csf)']),
      formsOf('SmoothStreaming', 'NoEncryption', ['']),
    ];
    expect(await pathsOf('Predefined_DownloadAndClearStreaming')).toEqual({
      streamingPaths: clear,
      downloadPaths: ['/-/film%20(1).vtt', '/-/film.mp4'],
    });
    expect(await pathsOf('Predefined_DownloadOnly')).toEqual({
      streamingPaths: [],
      downloadPaths: ['/-/film%20(1).vtt', '/-/film.mp4'],
    });
    // A file cannot be filtered.
    expect(await pathsOf('Predefined_DownloadAndClearStreaming', ['short'])).toEqual({
      streamingPaths: clear,
      downloadPaths: [],
    });
    expect(await pathsOf('Predefined_MultiDrmStreaming')).toEqual({
      streamingPaths: [
        formsOf('Dash', 'CommonEncryptionCenc', [
          '(format=mpd-time-cmaf,encryption=cenc)',
          '(format=mpd-time-csf,encryption=cenc)',
        ]),
        formsOf('SmoothStreaming', 'CommonEncryptionCenc', ['(encryption=cenc)']),
        formsOf('Hls', 'CommonEncryptionCbcs', ['(format=m3u8-cmaf,encryption=cbcs-aapl)']),
      ],
      downloadPaths: [],
    });
  });

  it('have no paths when the container of their asset is gone', async () => {
    await client.assets.createOrUpdate(...AT, 'emptied', { container: 'emptied-by-its-owner' });
    const streamingPolicyName = 'Predefined_ClearStreamingOnly';
    await client.streamingLocators.create(...AT, 'emptied', { assetName: 'emptied', streamingPolicyName });
    const blobs = BlobServiceClient.fromConnectionString(stack.azurite.connectionString);
    await blobs.deleteContainer('emptied-by-its-owner');
    const { streamingPaths } = await client.streamingLocators.listPaths(...AT, 'emptied');
    expect(streamingPaths?.map(({ paths }) => paths)).toEqual([[], [], []]);
  });

  it('go with their asset', async () => {
    await client.assets.createOrUpdate(...AT, 'short-lived', {});
    await client.streamingLocators.create(...AT, 'gone', {
      assetName: 'short-lived',
      streamingPolicyName: 'Predefined_ClearKey',
    });
    const [key] = await keysOf('gone');
    secrets.push(key?.value ?? '');
    await client.assets.delete(...AT, 'short-lived');
    expect(await refusal(client.streamingLocators.get(...AT, 'gone'))).toEqual(NOT_FOUND);
    expect((await rowsOf()).filter((row) => row.includes(`k!contentkey!${key?.id}`))).toEqual([]);
  });

  it.each<[string, object, number, RegExp]>([
    ['a missing policy', { streamingPolicyName: 'nobody' }, 404, /streaming policy 'nobody' was not found/],
    [
      'a missing content key policy',
      { defaultContentKeyPolicyName: 'nobody' },
      404,
      /content key policy 'nobody'/,
    ],
    ['a missing filter', { filters: ['nobody'] }, 404, /filter 'nobody' was not found/],
    ['a filter twice', { filters: ['a', 'A'] }, 400, /filters\[1\]/],
    ['eleven filters', { filters: Array.from({ length: 11 }, (_, index) => `f${index}`) }, 400, /at most 10/],
    [
      'an end before the start',
      { startTime: '2026-01-02T00:00:00Z', endTime: '2026-01-01T00:00:00Z' },
      400,
      /after startTime/,
    ],
    [
      'a locator id that is no GUID',
      { streamingLocatorId: 'x' },
      400,
      /streamingLocatorId' is invalid: a GUID/,
    ],
    ['a key id that is no GUID', { contentKeys: [{ id: 'x' }] }, 400, /contentKeys\[0\]\.id/],
    [
      'a key for a clear policy',
      { streamingPolicyName: 'Predefined_ClearStreamingOnly', contentKeys: [{ id: randomUUID() }] },
      400,
      /has no content keys/,
    ],
    [
      'an unknown label',
      { contentKeys: [{ id: randomUUID(), labelReferenceInStreamingPolicy: 'x' }] },
      400,
      /'cencKeyDefault', 'cbcsKeyDefault' is expected/,
    ],
    ['an empty asset name', { assetName: '' }, 400, /assetName' is invalid: it is empty/],
  ])('are refused with %s, and nothing stays of the locator', async (_name, changes, status, message) => {
    const body = JSON.stringify({ properties: { ...drm, ...changes } });
    const answer = await raw('PUT', `/streamingLocators/refused?${API}`, body);
    expect(answer).toMatchObject({ status, body: { error: { message: expect.stringMatching(message) } } });
    expect((await raw('GET', `/streamingLocators/refused?${API}`)).status).toBe(404);
  });

  it('are listed with their locators by what the original could filter and order by', async () => {
    const { streamingLocators: locators } = client;
    const ends = { 'sort-a': '2030-03-01', 'sort-b': '2030-01-01', 'sort-c': '2030-02-01' };
    for (const [name, day] of Object.entries(ends)) {
      const endTime = new Date(`${day}T00:00:00Z`);
      const streamingPolicyName = 'Predefined_ClearStreamingOnly';
      await locators.create(...AT, name, { assetName: 'two', streamingPolicyName, endTime });
    }
    const list = async (filter: string, orderby: string) =>
      (await collect(locators.list(...AT, { filter, orderby }))).map(({ name }) => name);
    const before = 'properties/endTime lt 2031-01-01T00:00:00Z';
    expect(await list(before, 'properties/endTime')).toEqual(['sort-b', 'sort-c', 'sort-a']);
    expect(await list(`${before} and properties/endTime gt 2030-01-15`, 'name desc')).toEqual([
      'sort-c',
      'sort-a',
    ]);
    const created = (await locators.get(...AT, 'sort-b')).created?.toISOString();
    expect(await list(`properties/created ge ${created} and ${before}`, 'properties/created desc')).toEqual([
      'sort-c',
      'sort-b',
    ]);
  });
});

/** What an origin knows of a locator. */
async function viewOf(locatorId = '') {
  const table = await openHeadendTable(stack.azurite.connectionString, ACCOUNT);
  const protection = {
    openerOf: undefined,
    keysBase: 'https://keys.example.net',
    own: { account: ACCOUNT, location: 'local' },
    log: { warn: () => undefined },
  };
  return createDeliveryDirectory(table, new EngineIndex(table), protection).findLocator(locatorId);
}

/** Everything in the table, one text a row. */
async function rowsOf(): Promise<string[]> {
  const table = TableClient.fromConnectionString(stack.azurite.connectionString, 'headend', {
    allowInsecureConnection: true,
  });
  return (await collect(table.listEntities())).map((row) => JSON.stringify(row));
}

/** It looks at everything that the calls above have left. */
describe('on the disk and in the log', () => {
  it('there is no secret in the clear', async () => {
    await client.contentKeyPolicies.createOrUpdate(...AT, 'stored', {
      options: [tokenOption(secretBytes(48))],
    });
    await client.contentKeyPolicies.createOrUpdate(...AT, 'fairplay', { options: [await fairPlayOption()] });
    const shown = await client.contentKeyPolicies.getPolicyPropertiesWithSecrets(...AT, 'fairplay');
    const password = String(Reflect.get(Object(shown.options[0]?.configuration), 'fairPlayPfxPassword'));
    expect(passwords).toEqual([password]);
    const rows = await rowsOf();
    const blobs = BlobServiceClient.fromConnectionString(stack.azurite.connectionString);
    const texts = [...rows, stack.engine.log(), ...(await blobNames(blobs))];
    expect(secrets.length).toBeGreaterThan(15);
    // As it was sent, and as whoever stored its bytes in another way would have written it.
    const forms = secrets.flatMap((secret) => {
      const bytes = Buffer.from(secret, 'base64');
      return [secret, bytes.toString('base64url'), bytes.toString('hex')];
    });
    forms.push(...passwords);
    expect(forms.filter((form) => texts.some((text) => text.includes(form)))).toEqual([]);
    const sealed = rows.filter((row) => row.includes('"rowKey":"k!contentkey'));
    expect(sealed.length).toBeGreaterThan(5);
    for (const row of sealed) expect(row).toMatch(/sealed\\":\\"v1\.[0-9a-f]{16}\.[\w-]{40,}/);
  });
});

/** After everything else: the engine is stopped, and others take over its storage and its ports. */
describe('master keys', () => {
  it('are required, and those of this storage', async () => {
    const { program, azurite } = stack;
    const ports = { HEADEND_ARM_PORT: '0', HEADEND_IDENTITY_PORT: '0' };
    const start = (file: string) =>
      program.start('control', {
        ...ports,
        HEADEND_STORAGE: azurite.connectionString,
        HEADEND_MASTER_KEY_FILE: file,
      });
    await expect(start('')).rejects.toThrow(/HEADEND_MASTER_KEY_FILE is required/);
    await expect(start('/nowhere/keys')).rejects.toThrow(/cannot read the file \(ENOENT\)/);
    const folder = await mkdtemp(join(tmpdir(), 'headend-keys-'));
    const file = join(folder, 'keys');
    await writeFile(file, 'secret-but-no-key');
    const refused = start(file);
    await expect(refused).rejects.toThrow(/line 1 is not a key of 32 bytes/);
    await expect(refused).rejects.not.toThrow(/secret-but/);
    await writeFile(file, randomBytes(32).toString('base64'));
    await expect(start(file)).rejects.toThrow(/holds none of the keys that the secrets in this storage/);
    await rm(folder, { recursive: true });
  }, 60_000);

  it('are exchanged without losing a secret', async () => {
    const { program, azurite } = stack;
    const { masterKeyFile } = program;
    const key = secretBytes(32);
    await client.contentKeyPolicies.createOrUpdate(...AT, 'rotated', { options: [tokenOption(key)] });
    await stack.engine.stop('SIGTERM');
    const old = await readFile(masterKeyFile, 'utf8');
    const fresh = `${randomBytes(32).toString('base64')}\n`;
    const env = { HEADEND_STORAGE: azurite.connectionString };
    await writeFile(masterKeyFile, fresh + old);
    const during = await program.start('control', env);
    const hasResealed = () => /"control\.secretsResealed".*"rows":[1-9]/.test(during.log());
    for (let count = 0; count < 200 && !hasResealed(); count += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(hasResealed()).toBe(true);
    await during.stop('SIGTERM');
    await writeFile(masterKeyFile, fresh);
    await program.start('control', env);
    const { options } = await client.contentKeyPolicies.getPolicyPropertiesWithSecrets(...AT, 'rotated');
    expect(keyOf(options[0])).toEqual(new Uint8Array(key));
    const { contentKeys } = await client.streamingLocators.listContentKeys(...AT, 'drm');
    expect(contentKeys?.map(({ value }) => secrets.includes(value ?? ''))).toEqual([true, true]);
  }, 60_000);
});

const passwords: string[] = [];

/** A certificate with its private key in PKCS 12, as Apple's customers have it. */
async function fairPlayOption(): Promise<ContentKeyPolicyOption> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-pfx-'));
  const password = randomBytes(20).toString('hex');
  passwords.push(password);
  const openssl = (args: readonly string[]) => promisify(execFile)('openssl', args, { cwd: folder });
  await openssl([
    'req',
    '-x509',
    '-nodes',
    '-subj',
    '/CN=x',
    '-newkey',
    'rsa:2048',
    '-keyout',
    'k',
    '-out',
    'c',
  ]);
  await openssl([
    'pkcs12',
    '-export',
    '-inkey',
    'k',
    '-in',
    'c',
    '-passout',
    `pass:${password}`,
    '-out',
    'p',
  ]);
  const fairPlayPfx = (await readFile(join(folder, 'p'))).toString('base64');
  secrets.push(fairPlayPfx);
  await rm(folder, { recursive: true });
  return {
    configuration: {
      odataType: '#Microsoft.Media.ContentKeyPolicyFairPlayConfiguration',
      ask: secretBytes(16),
      fairPlayPfx,
      fairPlayPfxPassword: password,
      rentalAndLeaseKeyType: 'Undefined',
      rentalDuration: 0,
    },
    restriction: { odataType: '#Microsoft.Media.ContentKeyPolicyOpenRestriction' },
  };
}

async function blobNames(service: BlobServiceClient): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of service.listContainers()) {
    for await (const blob of service.getContainerClient(name).listBlobsFlat()) names.push(blob.name);
  }
  return names;
}
