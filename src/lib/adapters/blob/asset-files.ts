import { XMLParser } from 'fast-xml-parser';

/** Of a container's listing; an encoding makes tens of files. */
const FILES_MAX = 1000;
const LISTING_BYTES_MAX = 4 * 1024 * 1024;
const CALL_WITHIN_MS = 20_000;
const SIGNED_MS = 600_000;

interface Clock {
  now(): number;
}

type Permissions = 'Read' | 'ReadWrite' | 'ReadWriteDelete';

/** Gives a signed address of an asset's container; undefined: there is no such asset. */
export type Signer = (request: {
  asset: string;
  permissions: Permissions;
  expiresAtMs: number;
}) => Promise<string | undefined>;

interface ListedFile {
  readonly file: string;
  readonly sizeBytes: number;
}

/** Small files in assets' containers, by addresses that are signed for one call. Errors do not show them. */
export function openAssetFiles(sign: Signer, clock: Clock) {
  const signed = (asset: string, permissions: Permissions): Promise<string | undefined> =>
    sign({ asset, permissions, expiresAtMs: clock.now() + SIGNED_MS });
  return {
    async list(asset: string): Promise<readonly ListedFile[]> {
      const container = await signed(asset, 'Read');
      if (container === undefined) return [];
      const url = new URL(container);
      for (const [name, value] of Object.entries(LISTING)) url.searchParams.set(name, value);
      const response = await call(url, 'GET');
      if (response.status === 404) return [];
      return parseListing(await textOf(response, LISTING_BYTES_MAX));
    },
    async read(asset: string, file: string, sizeBytesMax: number): Promise<string | undefined> {
      const container = await signed(asset, 'Read');
      if (container === undefined) return undefined;
      const response = await call(fileUrl(container, file), 'GET');
      return response.status === 404 ? undefined : textOf(response, sizeBytesMax);
    },
    async write(
      asset: string,
      { name, text, contentType }: { name: string; text: string; contentType: string },
    ): Promise<void> {
      const container = await signed(asset, 'ReadWrite');
      if (container === undefined) throw new Error(`there is no asset ${asset}`);
      await call(fileUrl(container, name), 'PUT', {
        body: text,
        headers: { 'x-ms-blob-type': 'BlockBlob', 'content-type': contentType },
      });
    },
    async remove(asset: string, file: string): Promise<void> {
      const container = await signed(asset, 'ReadWriteDelete');
      if (container !== undefined) await call(fileUrl(container, file), 'DELETE');
    },
  };
}

const LISTING = { restype: 'container', comp: 'list', delimiter: '/', maxresults: String(FILES_MAX) };

function fileUrl(container: string, file: string): URL {
  const url = new URL(container);
  url.pathname = `${url.pathname}/${encodeURIComponent(file)}`;
  return url;
}

/** 404 is an answer; anything else that is no success throws without the address, which is a secret. */
async function call(
  url: URL,
  method: 'GET' | 'PUT' | 'DELETE',
  init: { body?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { method, ...init, signal: AbortSignal.timeout(CALL_WITHIN_MS) });
  } catch {
    throw new Error('the storage account cannot be reached');
  }
  if (response.ok || (response.status === 404 && method !== 'PUT')) return response;
  await response.body?.cancel();
  throw new Error(`the storage account answered ${response.status} to ${method}`);
}

async function textOf(response: Response, sizeBytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > sizeBytesMax) throw new Error(`a file is larger than ${sizeBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const parser = new XMLParser({ ignoreAttributes: true, parseTagValue: false });

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};

/** https://learn.microsoft.com/rest/api/storageservices/list-blobs; the one written last is the last. */
function parseListing(xml: string): readonly ListedFile[] {
  const { EnumerationResults: results } = record(parser.parse(xml));
  const blobs = record(record(results)['Blobs'])['Blob'];
  const found = (blobs === undefined ? [] : [blobs].flat()).map((blob) => {
    const { Name: name, Properties: properties } = record(blob);
    const { 'Content-Length': size, 'Last-Modified': modified } = record(properties);
    return { file: String(name), sizeBytes: Number(size ?? 0), writtenAtMs: Date.parse(String(modified)) };
  });
  return found
    .toSorted((a, b) => a.writtenAtMs - b.writtenAtMs || (a.file < b.file ? -1 : 1))
    .map(({ file, sizeBytes }) => ({ file, sizeBytes }));
}
