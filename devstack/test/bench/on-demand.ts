import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { makeCountedVideo } from '../support/counted-video.ts';
import type { ApiBody } from '../support/headend-api.ts';
import { blobService } from '../support/recording-index.ts';
import type { Stack } from '../support/stack.ts';
import { isOver, uploadInBlocks, watchVideo } from '../support/videos.ts';
import { type Figure, spread } from './report.ts';

const VIDEO_WITHIN_MS = 180_000;
const BLOCK_BYTES = 8 * 1024 * 1024;
const BLOCKS_AT_ONCE = 3;
const MIB = 1024 * 1024;

/** How long small videos take from the event that they were encoded until viewers can play them. */
export async function benchEventToPublished(stack: Stack, folder: string, rounds: number): Promise<Figure[]> {
  const file = join(folder, 'small.mp4');
  const picture = { width: 320, height: 180, bitrateKbps: 300, gopSeconds: 1 };
  await makeCountedVideo({ file, seconds: 2, ...picture });
  const published: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const name = `bench-${round}`;
    const body = { source: { upload: { files: ['small.mp4'] } }, encoding: 'copy', poster: false };
    await stack.api.expect(201, 'PUT', `/videos/${name}`, body);
    await uploadInBlocks(stack.api, name, file);
    const uploadedAt = performance.now();
    const video = (await watchVideo(stack.api, name, isOver, VIDEO_WITHIN_MS)).at(-1);
    if (video.state !== 'published') throw new Error(`${name}: ${JSON.stringify(video.error)}`);
    whole.push(performance.now() - uploadedAt);
    const since = (type: string): number =>
      Date.parse(video.conditions.find((one: ApiBody) => one.type === type)?.since);
    published.push(since('Published') - since('Encoded'));
    await stack.api.call('DELETE', `/videos/${name}`);
  }
  return [
    { what: 'event “encoded” → published, ms', measured: spread(published), target: '—', met: undefined },
    {
      what: 'last block uploaded → published (encoding “copy”), ms',
      measured: spread(whole),
      target: '—',
      met: undefined,
    },
  ];
}

/** Blocks of 8 MiB, three at a time, through the process that sees uploads and past it. */
export async function benchUpload(stack: Stack, gibibytes: number): Promise<Figure[]> {
  const seen = blobService(stack);
  const { url, credential } = seen;
  const direct = new BlobServiceClient(
    url.replace(`:${stack.ports.blob}/`, `:${stack.ports.blobDirect}/`),
    credential,
  );
  const pid = stack.pid('uploads');
  const idle = await residentMiB(pid);
  // Once unmeasured: the storage opens its files then.
  await upload(direct, 0.1);
  const past = await upload(direct, gibibytes);
  let highest = 0;
  const watch = setInterval(() => {
    void residentMiB(pid).then((now) => {
      highest = Math.max(highest, now);
    });
  }, 100);
  const through = await upload(seen, gibibytes);
  clearInterval(watch);
  return [
    {
      what: `upload of ${gibibytes} GiB, MiB/s`,
      measured: `${through.toFixed(0)} (past what sees uploads: ${past.toFixed(0)})`,
      target: '—',
      met: undefined,
    },
    {
      what: 'memory of what sees uploads meanwhile, MiB',
      measured: `${highest.toFixed(0)} (idle ${idle.toFixed(0)})`,
      target: '< 200',
      met: highest < 200,
    },
  ];
}

async function upload(service: BlobServiceClient, gibibytes: number): Promise<number> {
  const container = service.getContainerClient(`bench-${Date.now()}`);
  await container.create();
  const blob = container.getBlockBlobClient('file');
  const block = Buffer.alloc(BLOCK_BYTES, 'headend');
  const ids = Array.from({ length: Math.ceil((gibibytes * 1024 * MIB) / BLOCK_BYTES) }, (_, index) =>
    btoa(String(index).padStart(6, '0')),
  );
  const startedAt = performance.now();
  const next = ids.values();
  const send = async () => {
    for (const id of next) await blob.stageBlock(id, block, block.length);
  };
  await Promise.all(Array.from({ length: BLOCKS_AT_ONCE }, send));
  await blob.commitBlockList(ids);
  const seconds = (performance.now() - startedAt) / 1000;
  await container.delete();
  return (ids.length * BLOCK_BYTES) / MIB / seconds;
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
