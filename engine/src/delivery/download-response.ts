import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseByteRange } from './byte-range.ts';
import type { FileContent } from './download.ts';
import { matchesEntityTag, rangeStillApplies } from './entity-tag.ts';
import { OriginError } from './origin-errors.ts';
import { headersOf, sendError } from './origin-response.ts';

/** Sends a file, or the part of it that is asked for, as it comes from storage. How many bytes its body had. */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: FileContent,
): Promise<number> {
  const { sizeBytes, entityTag, lastModifiedMs } = file;
  const headers = { ...headersOf(file), 'Last-Modified': new Date(lastModifiedMs).toUTCString() };
  if (isKnown(request, file)) {
    response.writeHead(304, headers).end();
    return 0;
  }
  const { range: asked, 'if-range': ifRange } = request.headers;
  const counts = request.method === 'GET' && rangeStillApplies(ifRange?.toString(), entityTag);
  const range = parseByteRange(counts ? asked : undefined, sizeBytes);
  if (range.kind === 'unsatisfiable') {
    const problem = new OriginError('MPE_STORAGE_INVALID_RANGE', `the file has ${sizeBytes} bytes`);
    return sendError(request, response, problem, { 'Content-Range': `bytes */${sizeBytes}` });
  }
  const [offset, end] = range.kind === 'part' ? [range.start, range.endInclusive + 1] : [0, sizeBytes];
  const length = { ...headers, 'Content-Length': end - offset };
  const status = range.kind === 'part' ? 206 : 200;
  const all =
    range.kind === 'part'
      ? { ...length, 'Content-Range': `bytes ${offset}-${end - 1}/${sizeBytes}` }
      : length;
  if (request.method === 'HEAD' || end === offset) {
    response.writeHead(status, all).end();
    return 0;
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const stream = await file.open({ offset, sizeBytes: end - offset, signal: gone.signal });
  response.writeHead(status, all);
  return sendStream(stream, response);
}

/** RFC 9110 §13.2.2: a time counts only without an entity tag. */
function isKnown({ headers }: IncomingMessage, { entityTag, lastModifiedMs }: FileContent): boolean {
  const { 'if-none-match': tags, 'if-modified-since': since } = headers;
  if (tags !== undefined) return matchesEntityTag(tags, entityTag);
  // The header has whole seconds.
  return since !== undefined && Math.floor(lastModifiedMs / 1000) * 1000 <= Date.parse(since);
}

async function sendStream(stream: Readable, response: ServerResponse): Promise<number> {
  let sentBytes = 0;
  async function* counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      sentBytes += bytes.byteLength;
      yield bytes;
    }
  }
  try {
    await pipeline(stream, counted, response);
  } catch {
    // The reader is gone, or storage is: the length that was promised tells the reader.
    response.destroy();
  }
  return sentBytes;
}
