import { randomBytes } from 'node:crypto';
import type { AppendBlobClient, ContainerClient } from '@azure/storage-blob';
import { LRUCache } from 'lru-cache';
import type { AuditSink } from '../keys/audit-trail.ts';
import type { StorageAccounts } from './storage-accounts.ts';
import { statusOf } from './storage-attempts.ts';

const SYSTEM_CONTAINER = 'headend-system';
/** Below the 50,000 blocks of an append blob. */
const BLOCKS_MAX = 49_000;
const CALL_TIMEOUT_MS = 10_000;
const OPEN_BLOBS_MAX = 1_000;

interface OpenBlob {
  readonly client: AppendBlobClient;
  blocks: number;
}

/**
 * Append blobs `key-audit/{account}/{yyyy}/{MM}/{dd}/{process}.jsonl`, one writer each: a process that starts again is
 * another. A blob that is full is followed by `{process}-2.jsonl`, and so on.
 */
export function createKeyAuditSink(accounts: StorageAccounts): AuditSink {
  const writer = `${process.pid}-${randomBytes(6).toString('hex')}`;
  const container = accounts.container({ container: SYSTEM_CONTAINER }, 'once');
  const open = new LRUCache<string, OpenBlob>({ max: OPEN_BLOBS_MAX });
  const parts = new Map<string, number>();
  return {
    async append({ account, day }, lines) {
      const folder = `key-audit/${account}/${day.replaceAll('-', '/')}`;
      let blob = open.get(folder);
      if (blob === undefined || blob.blocks >= BLOCKS_MAX) {
        const part = (parts.get(folder) ?? 0) + 1;
        blob = await openBlob(container, `${folder}/${writer}${part === 1 ? '' : `-${part}`}.jsonl`);
        parts.set(folder, part);
        open.set(folder, blob);
      }
      await blob.client.appendBlock(lines, lines.byteLength, { abortSignal: timeout() });
      blob.blocks += 1;
    },
  };
}

async function openBlob(container: ContainerClient, name: string): Promise<OpenBlob> {
  const client = container.getAppendBlobClient(name);
  const blobHTTPHeaders = { blobContentType: 'application/x-ndjson' };
  const create = () => client.createIfNotExists({ blobHTTPHeaders, abortSignal: timeout() });
  try {
    await create();
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    await container.createIfNotExists({ abortSignal: timeout() });
    await create();
  }
  return { client, blocks: 0 };
}

const timeout = (): AbortSignal => AbortSignal.timeout(CALL_TIMEOUT_MS);
