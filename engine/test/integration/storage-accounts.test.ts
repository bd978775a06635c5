import { randomBytes } from 'node:crypto';
import { BlobServiceClient, ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AssetContainers } from '../../src/store/asset-containers.ts';
import { StorageAccounts } from '../../src/store/storage-accounts.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
}, 60_000);
afterAll(() => azurite?.close());

const PLACE = { storageAccountName: 'secondstore', container: 'asset-here' };

describe('storage accounts', () => {
  it('puts a container into the account that its place names, and signs its URLs with both keys', async () => {
    const { second } = azurite.accounts;
    const accounts = await StorageAccounts.open({
      system: azurite.connectionString,
      read: async () => [second],
    });
    const containers = new AssetContainers(accounts);
    await containers.ensure(PLACE);
    const own = BlobServiceClient.fromConnectionString(azurite.connectionString);
    expect(await own.getContainerClient(PLACE.container).exists()).toBe(false);
    const urls = containers.sasUrls(PLACE, 'rwl', Date.now() + 60_000).map((url) => new URL(url));
    expect(urls.map(({ pathname }) => pathname)).toEqual(Array(2).fill('/secondstore/asset-here'));
    expect(urls.map(({ searchParams }) => [searchParams.get('sp'), searchParams.get('sr')])).toEqual(
      Array(2).fill(['rwl', 'c']),
    );
    expect(new Set(urls.map(({ searchParams }) => searchParams.get('sig'))).size).toBe(2);
    for (const [at, url] of urls.entries()) {
      const bytes = randomBytes(16);
      const blob = new ContainerClient(url.href).getBlockBlobClient(`by-key-${at + 1}.ism`);
      await blob.uploadData(bytes);
      expect(await blob.downloadToBuffer()).toEqual(bytes);
    }
    expect(await containers.rootFileNames(PLACE)).toEqual(['by-key-1.ism', 'by-key-2.ism']);
    await containers.remove(PLACE);
    expect(await accounts.container(PLACE, 'once').exists()).toBe(false);
  });

  it('signs with new keys from the next call on, through clients that are held', async () => {
    let { second } = azurite.accounts;
    second = { ...second, key1: randomBytes(64).toString('base64') };
    const accounts = await StorageAccounts.open({
      system: azurite.connectionString,
      read: async () => [second],
    });
    const held = accounts.container({ ...PLACE, container: 'rotated' }, 'once');
    await expect(held.create()).rejects.toMatchObject({ statusCode: 403 });
    second = { ...azurite.accounts.second, key1: azurite.accounts.second.key2 };
    await accounts.refresh();
    await held.create();
    expect(await held.exists()).toBe(true);
  });

  it('takes the second key of its own account from the settings, and knows no account that is not there', async () => {
    const { own } = azurite.accounts;
    const accounts = await StorageAccounts.open({
      system: azurite.connectionString,
      read: async () => [own],
    });
    const signatures = (of: StorageAccounts) =>
      new AssetContainers(of)
        .sasUrls({ container: 'asset-x' }, 'rl', Date.now() + 60_000)
        .map((url) => new URL(url).searchParams.get('sig'));
    expect(new Set(signatures(accounts)).size).toBe(2);
    const [first, again] = signatures(StorageAccounts.ofSystem(azurite.connectionString));
    expect(again).toBe(first);
    expect(accounts.has('DevStoreAccount1')).toBe(true);
    expect(accounts.has('secondstore')).toBe(false);
    expect(() => accounts.container('secondstore/asset-x')).toThrow(
      expect.objectContaining({ code: 'StorageAccountUnknown' }),
    );
  });
});
