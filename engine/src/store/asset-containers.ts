import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  RestError,
  SASProtocol,
} from '@azure/storage-blob';
import type { TrackFiles } from '../control-plane/control-containers.ts';
import type { ContainerPlace } from '../resources/container-place.ts';
import { createTrackFiles } from './asset-track-files.ts';
import type { StorageAccounts } from './storage-accounts.ts';

const BLOBS_LOOKED_AT_MAX = 1000;

/** The blob containers of assets: one per asset, in the storage account that the asset names. */
export class AssetContainers {
  readonly #accounts: StorageAccounts;
  /** Where assets go that name no storage account. */
  readonly accountName: string;
  readonly accountNames: readonly string[];
  readonly trackFiles: TrackFiles;

  constructor(
    accounts: StorageAccounts,
    accountName = accounts.systemName,
    accountNames: readonly string[] = [accountName],
  ) {
    this.#accounts = accounts;
    this.accountName = accountName;
    this.accountNames = accountNames;
    this.trackFiles = createTrackFiles(accounts);
  }

  async ensure(place: ContainerPlace & { readonly encryptionScope?: string | undefined }): Promise<boolean> {
    const client = this.#accounts.container(place);
    const { encryptionScope } = place;
    if (encryptionScope === undefined) {
      await client.createIfNotExists();
      return true;
    }
    const containerEncryptionScope = {
      defaultEncryptionScope: encryptionScope,
      preventEncryptionScopeOverride: true,
    };
    try {
      const { succeeded } = await client.createIfNotExists({ containerEncryptionScope });
      return succeeded || (await client.getProperties()).defaultEncryptionScope === encryptionScope;
    } catch (error) {
      const status: unknown = Reflect.get(Object(error), 'statusCode');
      if (status === 400 || status === 404 || status === 409) return false;
      throw error;
    }
  }

  async remove(place: ContainerPlace): Promise<void> {
    await this.#accounts.container(place).deleteIfExists();
  }

  /** `permissions` as in `sp`: one URL per key of the storage account. */
  sasUrls(place: ContainerPlace, permissions: string, expiresAtMs: number): readonly string[] {
    const url = this.#accounts.publicUrl(place);
    const { storageAccountName = this.#accounts.systemName, container: containerName } = place;
    return this.#accounts.credentials(storageAccountName).map((credential) => {
      const query = generateBlobSASQueryParameters(
        {
          containerName,
          permissions: ContainerSASPermissions.parse(permissions),
          expiresOn: new Date(expiresAtMs),
          protocol: SASProtocol.HttpsAndHttp,
        },
        credential,
      );
      return `${url}?${query}`;
    });
  }

  async rootFileNames(place: ContainerPlace): Promise<readonly string[]> {
    const names: string[] = [];
    let looked = 0;
    try {
      for await (const item of this.#accounts.container(place).listBlobsByHierarchy('/')) {
        looked += 1;
        if (item.kind === 'blob') names.push(item.name);
        if (looked >= BLOBS_LOOKED_AT_MAX) break;
      }
    } catch (error) {
      // Its owner, or the deletion of the asset at this moment, has removed the container: nothing is in it.
      if (!(error instanceof RestError && error.code === 'ContainerNotFound')) throw error;
    }
    return names;
  }
}
