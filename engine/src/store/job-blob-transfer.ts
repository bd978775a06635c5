import { randomUUID } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { BlobClient, BlockBlobClient } from '@azure/storage-blob';
import type { BlobBody, BlobFacts, StagedBlob, TransferOptions } from '../worker/job-blobs.ts';
import { statusOf } from './storage-attempts.ts';
import { Patience, patiently, within } from './storage-patience.ts';

/** One answer of storage; a connection that breaks costs no more than this. */
const RANGE_BYTES = 16 * 1024 * 1024;
const RANGE_MS_MAX = 120_000;
/** 50,000 of them make a blob: 390 GiB. */
const BLOCK_BYTES = 8 * 1024 * 1024;
const BLOCK_MS_MAX = 120_000;
const COMMIT_MS_MAX = 60_000;
/** Of one blob at a time: 24 MiB are in memory. */
const BLOCKS_AT_ONCE = 3;

/** The bytes of `facts`'s version to a new file, piece by piece; false when that version is not there (any more). */
export async function downloadBlob(
  blob: BlobClient,
  { path, facts }: { readonly path: string; readonly facts: BlobFacts },
  { signal, onBytes }: TransferOptions,
): Promise<boolean> {
  const file = await open(path, 'wx', 0o600);
  const patience = new Patience();
  let offset = 0;
  try {
    while (offset < facts.sizeBytes) {
      try {
        const count = await readRange(blob, { file, offset, facts }, signal, (bytes) => {
          offset += bytes;
          patience.progressed();
          onBytes?.(bytes);
        });
        if (count === 0) throw Object.assign(new Error('storage sent nothing'), { code: 'ECONNRESET' });
      } catch (error) {
        if (statusOf(error) === 404 || statusOf(error) === 412) return false;
        await patience.failed(error, signal);
      }
    }
    return true;
  } finally {
    await file.close();
  }
}

async function readRange(
  blob: BlobClient,
  { file, offset, facts }: { readonly file: FileHandle; readonly offset: number; readonly facts: BlobFacts },
  signal: AbortSignal,
  onWritten: (bytes: number) => void,
): Promise<number> {
  const sizeBytes = Math.min(RANGE_BYTES, facts.sizeBytes - offset);
  const abortSignal = within(signal, RANGE_MS_MAX);
  const { readableStreamBody } = await blob.download(offset, sizeBytes, {
    abortSignal,
    conditions: { ifMatch: facts.entityTag },
  });
  let at = offset;
  for await (const chunk of readableStreamBody ?? []) {
    const bytes = Buffer.from(chunk);
    const { bytesWritten } = await file.write(bytes, 0, bytes.byteLength, at);
    if (bytesWritten < bytes.byteLength)
      throw Object.assign(new Error('the disk is full'), { code: 'ENOSPC' });
    at += bytes.byteLength;
    onWritten(bytes.byteLength);
  }
  return at - offset;
}

/** Sends all bytes in blocks, which belong to no blob until `commit`. */
export async function stageBlob(
  blob: BlockBlobClient,
  body: BlobBody & { readonly contentType: string },
  { signal, onBytes }: TransferOptions,
): Promise<StagedBlob> {
  const file = 'path' in body ? await open(body.path, 'r') : undefined;
  try {
    const text = 'text' in body ? Buffer.from(body.text) : Buffer.alloc(0);
    const sizeBytes = file === undefined ? text.byteLength : (await file.stat()).size;
    const upload = randomUUID();
    const count = Math.ceil(sizeBytes / BLOCK_BYTES);
    const idOf = (index: number) =>
      Buffer.from(`${upload}-${String(index).padStart(6, '0')}`).toString('base64');
    let next = 0;
    const sendBlocks = async () => {
      while (next < count) {
        const index = next;
        next += 1;
        const bytes = await readBlock(file, text, index);
        await patiently(signal, BLOCK_MS_MAX, (abortSignal) =>
          blob.stageBlock(idOf(index), bytes, bytes.byteLength, { abortSignal }),
        );
        onBytes?.(bytes.byteLength);
      }
    };
    await Promise.all(Array.from({ length: BLOCKS_AT_ONCE }, sendBlocks));
    const ids = Array.from({ length: count }, (_, index) => idOf(index));
    return { commit: (committing) => commit(blob, ids, body.contentType, committing) };
  } finally {
    await file?.close();
  }
}

async function readBlock(file: FileHandle | undefined, text: Buffer, index: number): Promise<Buffer> {
  const offset = index * BLOCK_BYTES;
  if (file === undefined) return text.subarray(offset, offset + BLOCK_BYTES);
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let filled = 0;
  while (filled < BLOCK_BYTES) {
    const { bytesRead } = await file.read(block, filled, BLOCK_BYTES - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return block.subarray(0, filled);
}

function commit(
  blob: BlockBlobClient,
  ids: readonly string[],
  blobContentType: string,
  signal: AbortSignal,
): Promise<void> {
  return patiently(signal, COMMIT_MS_MAX, async (abortSignal) => {
    await blob.commitBlockList([...ids], { abortSignal, blobHTTPHeaders: { blobContentType } });
  });
}
