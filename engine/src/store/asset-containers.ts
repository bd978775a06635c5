import {
  BlobServiceClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';

const BLOBS_LOOKED_AT_MAX = 1000;
const MANIFEST = /^([^/]+)\.ism$/;

/** The blob containers of assets: one per asset. */
export class AssetContainers {
  readonly #service: BlobServiceClient;
  readonly accountName: string;

  constructor(connectionString: string) {
    this.#service = BlobServiceClient.fromConnectionString(connectionString);
    this.accountName = this.#service.accountName;
  }

  async ensure(container: string): Promise<void> {
    await this.#service.getContainerClient(container).createIfNotExists();
  }

  async remove(container: string): Promise<void> {
    await this.#service.getContainerClient(container).deleteIfExists();
  }

  /** `permissions` as in `sp`. One URL per account key in the original; here both are of the one key there is. */
  sasUrls(container: string, permissions: string, expiresAtMs: number): readonly string[] {
    const client = this.#service.getContainerClient(container);
    const { credential } = this.#service;
    if (!(credential instanceof StorageSharedKeyCredential)) return [];
    const query = generateBlobSASQueryParameters(
      {
        containerName: container,
        permissions: ContainerSASPermissions.parse(permissions),
        expiresOn: new Date(expiresAtMs),
        protocol: SASProtocol.HttpsAndHttp,
      },
      credential,
    ).toString();
    return [`${client.url}?${query}`, `${client.url}?${query}`];
  }

  /** Names of the server manifests (`.ism`, without the extension) in the root of the container. */
  async manifestNames(container: string): Promise<readonly string[]> {
    const names: string[] = [];
    let looked = 0;
    for await (const item of this.#service.getContainerClient(container).listBlobsByHierarchy('/')) {
      looked += 1;
      const name = item.kind === 'blob' ? MANIFEST.exec(item.name)?.[1] : undefined;
      if (name !== undefined) names.push(name);
      if (looked >= BLOBS_LOOKED_AT_MAX) break;
    }
    return names;
  }
}
