import { createHash } from 'node:crypto';
import type { Sample } from '../../src/model/sample.ts';
import { readFlvLoop } from '../../src/publisher/flv-loop.ts';

/** Samples as lines that compare quickly: decode time in milliseconds and a hash of the bytes. */
export function asText(samples: readonly Sample[] | undefined): readonly string[] {
  return (samples ?? []).map(({ dtsTicks, data }) => line(dtsTicks / 10_000, data));
}

/** The same of what an FLV file has; the heads of its H.264 and AAC tags are 5 and 2 bytes. */
export async function fileAsText(file: string, type: 'audio' | 'video'): Promise<readonly string[]> {
  const { media } = await readFlvLoop(file);
  return media
    .filter((tag) => tag.type === type)
    .map(({ timestampMs, body }) => line(timestampMs, body.subarray(type === 'video' ? 5 : 2)));
}

function line(timeMs: number, data: Uint8Array): string {
  return `${timeMs} ${createHash('md5').update(data).digest('hex')}`;
}
