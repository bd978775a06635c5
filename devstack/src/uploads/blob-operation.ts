import type { IncomingHttpHeaders } from 'node:http';

/** What a request did to a blob, in the words of Event Grid's storage events (`data.api`). */
export interface BlobOperation {
  readonly api: 'PutBlob' | 'PutBlockList' | 'CopyBlob' | 'DeleteBlob';
  readonly account: string;
  readonly container: string;
  /** As it is called, nothing percent-encoded. */
  readonly blob: string;
  /** As it was asked for, without a query. */
  readonly path: string;
}

/** Azurite's addresses: `/{account}/{container}/{blob}`. */
const BLOB_PATH = /^\/([^/]+)\/([^/]+)\/(.+)$/;
const EVENT_TYPES = {
  PutBlob: 'Microsoft.Storage.BlobCreated',
  PutBlockList: 'Microsoft.Storage.BlobCreated',
  CopyBlob: 'Microsoft.Storage.BlobCreated',
  DeleteBlob: 'Microsoft.Storage.BlobDeleted',
} as const satisfies Record<BlobOperation['api'], string>;

export const eventTypeOf = ({ api }: BlobOperation): string => EVENT_TYPES[api];

/**
 * The operation that a successful request was, if storage accounts tell of it: a block blob made or replaced, a blob
 * deleted. Blocks, properties, leases, snapshots and everything about containers are none.
 */
export function blobOperationOf(
  method: string,
  target: string,
  headers: IncomingHttpHeaders,
): BlobOperation | undefined {
  const [path = '', query = ''] = target.split('?', 2);
  const [, account, container, encodedBlob] = BLOB_PATH.exec(path) ?? [];
  const blob = decode(encodedBlob);
  if (account === undefined || container === undefined || blob === undefined) return undefined;
  const api = apiOf(method, new URLSearchParams(query), headers);
  return api === undefined ? undefined : { api, account, container, blob, path };
}

function apiOf(
  method: string,
  query: URLSearchParams,
  headers: IncomingHttpHeaders,
): BlobOperation['api'] | undefined {
  const comp = query.get('comp');
  if (query.has('restype')) return undefined;
  if (method === 'DELETE') return comp === null && !query.has('snapshot') ? 'DeleteBlob' : undefined;
  if (method !== 'PUT') return undefined;
  if (comp === 'blocklist') return 'PutBlockList';
  if (comp !== null) return undefined;
  const type = headers['x-ms-blob-type'];
  // Put Blob From URL has both; Copy Blob has no type.
  if (type !== undefined) return String(type).toLowerCase() === 'blockblob' ? 'PutBlob' : undefined;
  return headers['x-ms-copy-source'] === undefined ? undefined : 'CopyBlob';
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
