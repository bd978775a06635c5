import { BlobServiceClient } from '@azure/storage-blob';
import type { Stack } from './stack.ts';

/** What stands in the index blobs of all recordings, by container and name; lines are only ever appended to them. */
export type Indexes = ReadonlyMap<string, string>;

export function blobService(stack: Stack): BlobServiceClient {
  // Azurite's well-known account, from its documentation.
  const account = 'devstoreaccount1';
  const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
  const endpoint = `http://127.0.0.1:${stack.ports.blob}/${account}`;
  return BlobServiceClient.fromConnectionString(
    `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=${endpoint};`,
  );
}

export async function readIndexes(stack: Stack): Promise<Indexes> {
  const indexes = new Map<string, string>();
  const service = blobService(stack);
  for await (const { name: containerName } of service.listContainers({ prefix: 'asset-' })) {
    const container = service.getContainerClient(containerName);
    for await (const { name } of container.listBlobsFlat()) {
      if (!name.includes('.headend/')) continue;
      const bytes = await container.getBlobClient(name).downloadToBuffer();
      indexes.set(`${containerName}/${name}`, bytes.toString('utf8'));
    }
  }
  return indexes;
}

/** Committed lines of `before` that `after` no longer begins with, and fragments in `after` that have no bytes. */
export async function lostFromIndexes(
  stack: Stack,
  before: readonly Indexes[],
  after: Indexes,
): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const indexes of before) {
    for (const [name, text] of indexes) {
      const committed = text.slice(0, text.lastIndexOf('\n') + 1);
      if (after.get(name)?.startsWith(committed) !== true) lost.push(`lines of ${name}`);
    }
  }
  const service = blobService(stack);
  for (const [name, text] of after) {
    const [container = '', , folder = ''] = name.split('/');
    for (const line of text.split('\n')) {
      if (!line.startsWith('{"t":"f"')) continue;
      const { decodeTimeTicks, sizeBytes } = JSON.parse(line) as {
        decodeTimeTicks: number;
        sizeBytes: number;
      }; // our own format
      const blob = service.getContainerClient(container).getBlobClient(`${folder}/${decodeTimeTicks}`);
      const size = await blob.getProperties().then(
        ({ contentLength }) => contentLength,
        () => undefined,
      );
      if (size !== sizeBytes)
        lost.push(
          `fragment ${folder}/${decodeTimeTicks} of ${container} has ${size} bytes, not ${sizeBytes}`,
        );
    }
  }
  return [...new Set(lost)];
}
