import { randomBytes, randomUUID } from 'node:crypto';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP, refusal } from '../support/arm-client.ts';
import { type ArmStack, collect, startArmStack } from '../support/arm-stack.ts';
import { eachOf, FAST, groupNames, pageNames, resumed, SWEPT, watchCalls } from '../support/sdk-sweep.ts';

const AT = [GROUP, ACCOUNT] as const;
/** More than a page of any list. */
const MANY = 105;
const HOUR_MS = 3_600_000;
const VTT = 'WEBVTT\nKind: captions\nLanguage: en\n\n00:00.000 --> 00:02.000\nHello\n';
const ISM = `<?xml version="1.0" encoding="utf-8"?>
<smil xmlns="http://www.w3.org/2001/SMIL20/Language">
  <head><meta name="formats" content="mp4" /></head>
  <body><switch></switch></body>
</smil>`;

let stack: ArmStack;
let client: AzureMediaServices;
let uncalled: ReturnType<typeof watchCalls>;
/** Begun by one client, resumed by another. */
let clients: { begins: AzureMediaServices; resumes: AzureMediaServices };

beforeAll(async () => {
  stack = await startArmStack();
  ({ client } = stack);
  uncalled = watchCalls(client);
  const { engine, program } = stack;
  clients = { begins: client, resumes: createArmClient(engine, program.caPem, program.identitySecret) };
}, 120_000);

afterAll(() => stack?.close(), 60_000);

const named = (kind: string) =>
  Array.from({ length: MANY }, (_, index) => `${kind}-${String(index).padStart(3, '0')}`);
const namesOf = async (items: AsyncIterable<{ name?: string }>) =>
  (await collect(items)).map(({ name }) => name);

describe('assets, their filters and tracks', () => {
  it('an asset, by each of its operations', async () => {
    const { assets } = client;
    await assets.createOrUpdate(...AT, 'one', { description: 'first' });
    await assets.update(...AT, 'one', { alternateId: 'id of ours' });
    expect(await assets.get(...AT, 'one')).toMatchObject({
      description: 'first',
      alternateId: 'id of ours',
      storageEncryptionFormat: 'None',
    });
    const expiryTime = new Date(Date.now() + HOUR_MS);
    const sas = await assets.listContainerSas(...AT, 'one', { permissions: 'Read', expiryTime });
    expect(sas.assetContainerSasUrls?.map((url) => new URL(url).searchParams.get('sp'))).toEqual([
      'rl',
      'rl',
    ]);
    expect(await assets.listStreamingLocators(...AT, 'one')).toEqual({ streamingLocators: [] });
    expect(await refusal(assets.getEncryptionKey(...AT, 'one'))).toEqual({
      status: 400,
      code: 'BadRequest',
      message:
        'Asset, asset files or encryption key does not exist or asset files are not storage encrypted.',
    });
    await assets.delete(...AT, 'one');
    expect(await refusal(assets.get(...AT, 'one'))).toMatchObject({ status: 404, code: 'NotFound' });
  });

  it('more than a page of assets, resumed by the token of a page, filtered and ordered', async () => {
    const names = named('asset');
    await eachOf(names, (name) => client.assets.createOrUpdate(...AT, name, {}));
    const pages = await pageNames(() => client.assets.list(...AT));
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat()).toEqual(names);
    expect(await namesOf(client.assets.list(...AT))).toEqual(names);
    const some = client.assets.list(...AT, {
      filter: "name ge 'asset-010' and name lt 'asset-100'",
      orderby: 'name desc',
      top: 88,
    });
    expect(await namesOf(some)).toEqual(names.slice(12, 100).reverse());
  }, 60_000);

  it('an asset filter, by each of its operations', async () => {
    const { assets, assetFilters } = client;
    await assets.createOrUpdate(...AT, 'cut', {});
    const created = await assetFilters.createOrUpdate(...AT, 'cut', 'first-minute', {
      presentationTimeRange: { startTimestamp: 0, endTimestamp: 600_000_000 },
    });
    expect(created).toMatchObject({ name: 'first-minute', tracks: [] });
    const tracks = [{ trackSelections: [{ property: 'Type', operation: 'Equal', value: 'Audio' }] }];
    await assetFilters.update(...AT, 'cut', 'first-minute', { tracks });
    expect(await assetFilters.get(...AT, 'cut', 'FIRST-MINUTE')).toMatchObject({
      presentationTimeRange: { startTimestamp: 0, endTimestamp: 600_000_000 },
      tracks,
    });
    expect(await namesOf(assetFilters.list(...AT, 'cut'))).toEqual(['first-minute']);
    await assetFilters.delete(...AT, 'cut', 'first-minute');
    expect(await namesOf(assetFilters.list(...AT, 'cut'))).toEqual([]);
  });

  it('a track, by each of its operations, begun here and resumed there', async () => {
    const { assets, tracks, operationStatuses, operationResults } = client;
    await assets.createOrUpdate(...AT, 'film', {});
    await upload('film', { 'film.ism': ISM, 'en.vtt': VTT, 'de.vtt': VTT });
    const track = (fileName: string, displayName: string) => ({
      track: { odataType: '#Microsoft.Media.TextTrack', fileName, displayName } as const,
    });
    const of = (name: string) => [...AT, 'film', name] as const;
    await tracks.beginCreateOrUpdateAndWait(...of('en'), track('en.vtt', 'English'), FAST);
    await resumed(clients, (by, options) =>
      by.tracks.beginCreateOrUpdate(...of('de'), track('de.vtt', 'Deutsch'), options),
    );
    expect(await tracks.get(...of('de'))).toMatchObject({
      provisioningState: 'Succeeded',
      track: { fileName: 'de.vtt', displayName: 'Deutsch', playerVisibility: 'Visible' },
    });
    expect(await namesOf(tracks.list(...AT, 'film'))).toEqual(['de', 'en']);
    await tracks.beginUpdateAndWait(...of('en'), track('en.vtt', 'British'), FAST);
    await resumed(clients, (by, options) =>
      by.tracks.beginUpdate(...of('de'), track('de.vtt', 'Hochdeutsch'), options),
    );
    expect((await tracks.get(...of('de'))).track).toMatchObject({ displayName: 'Hochdeutsch' });
    await tracks.beginUpdateTrackDataAndWait(...of('en'), FAST);
    await resumed(clients, (by, options) => by.tracks.beginUpdateTrackData(...of('de'), options));
    const poller = await tracks.beginUpdateTrackData(...of('de'), FAST);
    const operation = /operation(?:statuses|results)\/([0-9a-f-]{36})/i.exec(poller.toString())?.[1] ?? '';
    await poller.pollUntilDone();
    expect(await operationStatuses.get(...of('de'), operation)).toMatchObject({ status: 'Succeeded' });
    expect(await operationResults.get(...of('de'), operation)).toMatchObject({ name: 'de' });
    await tracks.beginDeleteAndWait(...of('en'), FAST);
    await resumed(clients, (by, options) => by.tracks.beginDelete(...of('de'), options));
    expect(await namesOf(tracks.list(...AT, 'film'))).toEqual([]);
  });
});

describe('content key policies', () => {
  const clearKey = (keyValue: Uint8Array) => ({
    name: 'clear key',
    configuration: { odataType: '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' } as const,
    restriction: {
      odataType: '#Microsoft.Media.ContentKeyPolicyTokenRestriction',
      issuer: 'https://issuer.example',
      audience: 'viewers',
      restrictionTokenType: 'Jwt',
      primaryVerificationKey: { odataType: '#Microsoft.Media.ContentKeyPolicySymmetricTokenKey', keyValue },
    } as const,
  });

  it('one, by each of its operations; its secret by one call only', async () => {
    const { contentKeyPolicies } = client;
    const keyValue = new Uint8Array(randomBytes(40));
    const options = [clearKey(keyValue)];
    await contentKeyPolicies.createOrUpdate(...AT, 'members', { description: 'members', options });
    await contentKeyPolicies.update(...AT, 'members', { description: 'paying members', options });
    const read = await contentKeyPolicies.get(...AT, 'members');
    expect(read).toMatchObject({ description: 'paying members', options: [{ name: 'clear key' }] });
    expect(JSON.stringify(read)).not.toContain(Buffer.from(keyValue).toString('base64'));
    const open = await contentKeyPolicies.getPolicyPropertiesWithSecrets(...AT, 'members');
    expect(open.policyId).toBe(read.policyId);
    const [option] = open.options;
    expect(Reflect.get(Object(option?.restriction), 'primaryVerificationKey')).toMatchObject({ keyValue });
    await contentKeyPolicies.delete(...AT, 'members');
    expect(await refusal(contentKeyPolicies.get(...AT, 'members'))).toMatchObject({ status: 404 });
  });

  it('more than a page of them, filtered and ordered', async () => {
    const names = named('policy');
    const options = [
      {
        ...clearKey(new Uint8Array(40)),
        restriction: { odataType: '#Microsoft.Media.ContentKeyPolicyOpenRestriction' } as const,
      },
    ];
    await eachOf(names, (name) => client.contentKeyPolicies.createOrUpdate(...AT, name, { options }));
    const pages = await pageNames(() => client.contentKeyPolicies.list(...AT));
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat()).toEqual(names);
    const last = client.contentKeyPolicies.list(...AT, {
      filter: "name gt 'policy-019'",
      orderby: 'name desc',
    });
    expect(await namesOf(last)).toEqual(names.slice(20).reverse());
  }, 60_000);
});

describe('streaming policies and locators', () => {
  const enabledProtocols = { download: false, dash: true, hls: true, smoothStreaming: true };

  it('a policy and a locator with a key of its caller, by each of their operations', async () => {
    const { assets, streamingPolicies, streamingLocators } = client;
    await assets.createOrUpdate(...AT, 'sold', {});
    await streamingPolicies.create(...AT, 'envelope', {
      envelopeEncryption: { enabledProtocols, contentKeys: { defaultKey: { label: 'ours' } } },
    });
    expect(await streamingPolicies.get(...AT, 'envelope')).toMatchObject({
      envelopeEncryption: { enabledProtocols, contentKeys: { defaultKey: { label: 'ours' } } },
    });
    expect(await namesOf(streamingPolicies.list(...AT))).toContain('envelope');
    const key = {
      id: randomUUID(),
      labelReferenceInStreamingPolicy: 'ours',
      value: randomBytes(16).toString('base64'),
    };
    const streamingLocatorId = randomUUID();
    await streamingLocators.create(...AT, 'sale', {
      assetName: 'sold',
      streamingPolicyName: 'envelope',
      streamingLocatorId,
      contentKeys: [key],
    });
    const read = await streamingLocators.get(...AT, 'sale');
    expect(read).toMatchObject({ streamingLocatorId, filters: [], contentKeys: [{ id: key.id }] });
    expect(JSON.stringify(read)).not.toContain(key.value);
    expect(await streamingLocators.listContentKeys(...AT, 'sale')).toMatchObject({
      contentKeys: [{ ...key, type: 'EnvelopeEncryption' }],
    });
    const { streamingPaths = [] } = await streamingLocators.listPaths(...AT, 'sale');
    // Whatever is shown of it, it is not in the clear.
    expect(streamingPaths.filter((path) => path.encryptionScheme === 'NoEncryption')).toEqual([]);
    expect((await assets.listStreamingLocators(...AT, 'sold')).streamingLocators).toMatchObject([
      { name: 'sale', assetName: 'sold', streamingLocatorId },
    ]);
    await streamingLocators.delete(...AT, 'sale');
    await streamingPolicies.delete(...AT, 'envelope');
    expect(await refusal(streamingPolicies.get(...AT, 'envelope'))).toMatchObject({ status: 404 });
  });

  it('more than a page of locators, filtered and ordered', async () => {
    const names = named('locator');
    await eachOf(['crowd-a', 'crowd-b'], (name) => client.assets.createOrUpdate(...AT, name, {}));
    await eachOf(names, (name) =>
      client.streamingLocators.create(...AT, name, {
        // An asset has a hundred of them at most.
        assetName: name < 'locator-053' ? 'crowd-a' : 'crowd-b',
        streamingPolicyName: 'Predefined_ClearStreamingOnly',
      }),
    );
    const pages = await pageNames(() => client.streamingLocators.list(...AT));
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat()).toEqual(names);
    const some = client.streamingLocators.list(...AT, {
      filter: "name le 'locator-010'",
      orderby: 'name desc',
    });
    expect(await namesOf(some)).toEqual(names.slice(0, 11).reverse());
  }, 60_000);

  it('as many streaming policies as an account may have', async () => {
    const names = named('clear').slice(0, 100);
    await eachOf(names, (name) =>
      client.streamingPolicies.create(...AT, name, { noEncryption: { enabledProtocols } }),
    );
    const listed = await collect(client.streamingPolicies.list(...AT, { orderby: 'name desc' }));
    const custom = listed.map(({ name }) => name ?? '').filter((name) => !name.startsWith('Predefined_'));
    expect(custom).toEqual(names.toReversed());
  }, 60_000);
});

/** Runs last: what the tests above have called. */
describe('the package as a whole', () => {
  it('has no group that no file sweeps', () => {
    expect(groupNames(client)).toEqual(Object.values(SWEPT).flat().toSorted());
  });

  it('has no method in these groups that was not called', () => {
    // A hundred filters of an asset are one page.
    expect(uncalled(SWEPT.metadata)).toEqual(['assetFilters._listNext']);
  });
});

async function upload(asset: string, files: Readonly<Record<string, string>>): Promise<void> {
  const { assetContainerSasUrls = [] } = await client.assets.listContainerSas(...AT, asset, {
    permissions: 'ReadWrite',
    expiryTime: new Date(Date.now() + HOUR_MS),
  });
  for (const [name, body] of Object.entries(files)) {
    const url = (assetContainerSasUrls[0] ?? '').replace('?', `/${name}?`);
    const headers = { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2021-08-06' };
    expect((await fetch(url, { method: 'PUT', body, headers })).status).toBe(201);
  }
}
