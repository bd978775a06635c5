import { readFile } from 'node:fs/promises';
import { parseFlvAudioTag, parseFlvVideoTag } from '../formats/flv.ts';
import { type FlvTag, readFlvTags } from '../formats/flv-file.ts';
import { FRAME_TYPE } from '../formats/flv-tag.ts';

const FILE_BYTES_MAX = 512 * 1024 * 1024;

/** An FLV file taken apart for publishing it again and again. */
export interface FlvLoop {
  /** `onMetaData` and the sequence headers: what a new connection begins with. */
  readonly headers: readonly FlvTag[];
  readonly media: readonly FlvTag[];
  /** How much later the same tag comes in the next round. */
  readonly periodMs: number;
}

/** Throws when the file is too large or has no media; `MalformedFlv` when it is not FLV. */
export async function readFlvLoop(path: string): Promise<FlvLoop> {
  const bytes = await readFile(path);
  if (bytes.length > FILE_BYTES_MAX)
    throw new Error(`file of ${bytes.length} bytes exceeds ${FILE_BYTES_MAX}`);
  const headers: FlvTag[] = [];
  const media: FlvTag[] = [];
  for await (const tag of readFlvTags(bytes)) {
    const role = roleOf(tag);
    if (role === 'header') headers.push(tag);
    if (role === 'media') media.push(tag);
  }
  if (media.length === 0) throw new Error('the file has no media');
  const periodMs = Math.max(spanMs(media, 'video'), spanMs(media, 'audio'), 1);
  return { headers, media, periodMs };
}

export function isKeyFrame(tag: FlvTag): boolean {
  // The first of the four bits is the flag of Enhanced RTMP.
  return tag.type === 'video' && ((tag.body[0] ?? 0) >> 4) % 8 === FRAME_TYPE.key;
}

/** An end-of-sequence tag has no place in a loop. */
function roleOf(tag: FlvTag): 'header' | 'media' | 'neither' {
  if (tag.type === 'script') return 'header';
  const parts = tag.type === 'video' ? parseFlvVideoTag(tag.body) : parseFlvAudioTag(tag.body);
  if (parts.some(({ kind }) => kind === 'sequenceHeader')) return 'header';
  return parts.some(({ kind }) => kind === 'accessUnit') ? 'media' : 'neither';
}

/** From the first tag to where the one after the last would be, at the mean spacing. */
function spanMs(media: readonly FlvTag[], type: FlvTag['type']): number {
  const tags = media.filter((tag) => tag.type === type);
  const first = tags[0]?.timestampMs ?? 0;
  const last = tags.at(-1)?.timestampMs ?? 0;
  if (tags.length < 2) return 0;
  return Math.round(((last - first) * tags.length) / (tags.length - 1));
}
