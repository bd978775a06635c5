import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ApiBody, HeadendApi } from './headend-api.ts';

const BLOCKS = 3;
const POLL_MS = 150;

/** Uploads a file into a video as anybody would: blocks, then their list, with nothing but fetch and the address. */
export async function uploadInBlocks(api: HeadendApi, video: string, file: string): Promise<void> {
  const bytes = await readFile(file);
  const { url } = await api.expect(200, 'POST', `/videos/${video}/upload-url`, { file: basename(file) });
  const size = Math.ceil(bytes.length / BLOCKS) || 1;
  const ids = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => btoa(`block-${index}`));
  await Promise.all(
    ids.map((id, index) =>
      put(
        `${url}&comp=block&blockid=${encodeURIComponent(id)}`,
        bytes.subarray(index * size, (index + 1) * size),
      ),
    ),
  );
  const list = ids.map((id) => `<Latest>${id}</Latest>`).join('');
  await put(`${url}&comp=blocklist`, `<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`);
}

async function put(url: string, body: Uint8Array<ArrayBuffer> | string): Promise<void> {
  const response = await fetch(url, { method: 'PUT', headers: { 'x-ms-version': '2021-12-02' }, body });
  if (response.status !== 201)
    throw new Error(`storage answered ${response.status}: ${await response.text()}`);
}

/** Every answer that was seen of a video until `isDone`, those alike left out. */
export async function watchVideo(
  api: HeadendApi,
  video: string,
  isDone: (body: ApiBody) => boolean,
  withinMs: number,
): Promise<readonly ApiBody[]> {
  const seen: ApiBody[] = [];
  let last = '';
  const deadline = Date.now() + withinMs;
  for (;;) {
    const { body } = await api.call('GET', `/videos/${video}`);
    const text = JSON.stringify([body?.state, body?.progress]);
    if (text !== last) seen.push(body);
    last = text;
    if (body !== undefined && isDone(body)) return [...seen, body];
    if (Date.now() > deadline)
      throw new Error(`${video} is still ${JSON.stringify(body)} after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export const isOver = ({ state }: ApiBody): boolean => state === 'published' || state === 'failed';
