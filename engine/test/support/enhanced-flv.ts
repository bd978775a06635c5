import { readFile } from 'node:fs/promises';
import { createFile, MP4BoxBuffer } from 'mp4box';
import { parseFlvAudioTag } from '../../src/formats/flv.ts';
import { type FlvTag, readFlvTags } from '../../src/formats/flv-file.ts';

// FFmpeg 5.1 writes no Enhanced RTMP; these make it of what FFmpeg does write. Veovera Enhanced RTMP v2.

const CODES = { audio: 8, video: 9, script: 18 } as const;
const SEQUENCE_START = 0;
const CODED_FRAMES = 1;
const CODED_FRAMES_X = 3;
const MULTITRACK = { audio: 5, video: 6 } as const;
export const ONE_TRACK = 0;
export const MANY_TRACKS = 1;
export const MANY_TRACKS_MANY_CODECS = 2;

export function flvFile(tags: readonly FlvTag[]): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from('464c5601050000000900000000', 'hex')];
  for (const { type, timestampMs, body } of tags) {
    const head = Buffer.alloc(11);
    head.writeUInt8(CODES[type], 0);
    head.writeUIntBE(body.length, 1, 3);
    head.writeUIntBE(timestampMs & 0xffffff, 4, 3);
    head.writeUInt8(timestampMs >>> 24, 7);
    const backPointer = Buffer.alloc(4);
    backPointer.writeUInt32BE(head.length + body.length);
    parts.push(head, body, backPointer);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** In the order of their times, headers first. */
export function interleave(...tracks: readonly (readonly FlvTag[])[]): FlvTag[] {
  return tracks.flat().toSorted((a, b) => a.timestampMs - b.timestampMs);
}

/** The video of an MP4 file as tags of Enhanced RTMP with a FourCC; composition times of zero are left out. */
export async function enhancedVideoTags(mp4: string, fourCc: 'hvc1' | 'avc1'): Promise<FlvTag[]> {
  const bytes = await readFile(mp4);
  const record = boxBody(bytes, fourCc === 'hvc1' ? 'hvcC' : 'avcC');
  const tag = (timestampMs: number, isKey: boolean, packetType: number, ...parts: Uint8Array[]): FlvTag => {
    const head = Buffer.from([0x80 | ((isKey ? 1 : 2) << 4) | packetType]);
    const body = new Uint8Array(Buffer.concat([head, Buffer.from(fourCc, 'latin1'), ...parts]));
    return { type: 'video', timestampMs, body };
  };
  const media = videoSamples(bytes).map(({ dtsMs, compositionMs, isKey, data }) => {
    if (compositionMs === 0) return tag(dtsMs, isKey, CODED_FRAMES_X, data);
    const composition = Buffer.alloc(3);
    composition.writeIntBE(compositionMs, 0, 3);
    return tag(dtsMs, isKey, CODED_FRAMES, composition, data);
  });
  return [tag(0, true, SEQUENCE_START, record), ...media];
}

/** The AAC of an FLV file by FourCC, as one track of many. */
export async function multitrackAudioTags(flv: string, trackId: number): Promise<FlvTag[]> {
  const tags: FlvTag[] = [];
  for (const { packetType, timestampMs, data } of await aacPackets(flv)) {
    const head = [0x90 | MULTITRACK.audio, (ONE_TRACK << 4) | packetType, ...ascii('mp4a'), trackId];
    tags.push({ type: 'audio', timestampMs, body: new Uint8Array(Buffer.concat([Buffer.from(head), data])) });
  }
  return tags;
}

/** Two AAC tracks, 0 and `trackId`, in the same messages. */
export async function pairedAudioTags(
  [first, second]: readonly [string, string],
  trackId: number,
  kind: typeof MANY_TRACKS | typeof MANY_TRACKS_MANY_CODECS,
): Promise<FlvTag[]> {
  const others = await aacPackets(second);
  return (await aacPackets(first)).flatMap(({ packetType, timestampMs, data }, index) => {
    const other = others[index]?.data;
    if (other === undefined) return [];
    const fourCc = ascii('mp4a');
    const part = (id: number, bytes: Uint8Array) => {
      const size = [bytes.length >>> 16, (bytes.length >>> 8) & 0xff, bytes.length & 0xff];
      const own = kind === MANY_TRACKS_MANY_CODECS ? fourCc : [];
      return Buffer.concat([Buffer.from([...own, id, ...size]), bytes]);
    };
    const shared = kind === MANY_TRACKS ? fourCc : [];
    const head = Buffer.from([0x90 | MULTITRACK.audio, (kind << 4) | packetType, ...shared]);
    const body = new Uint8Array(Buffer.concat([head, part(0, data), part(trackId, other)]));
    return [{ type: 'audio' as const, timestampMs, body }];
  });
}

/** The tags of an FLV file as they are. */
export async function flvTags(file: string, type: FlvTag['type']): Promise<FlvTag[]> {
  const tags: FlvTag[] = [];
  for await (const tag of readFlvTags(new Uint8Array(await readFile(file)))) {
    if (tag.type === type) tags.push(tag);
  }
  return tags;
}

async function aacPackets(flv: string) {
  return (await flvTags(flv, 'audio')).flatMap(({ timestampMs, body }) => {
    const [tag] = parseFlvAudioTag(body);
    if (tag?.kind === 'sequenceHeader') {
      return [{ packetType: SEQUENCE_START, timestampMs, data: tag.configurationRecord }];
    }
    return tag?.kind === 'accessUnit' ? [{ packetType: CODED_FRAMES, timestampMs, data: tag.data }] : [];
  });
}

interface VideoSample {
  readonly dtsMs: number;
  readonly compositionMs: number;
  readonly isKey: boolean;
  readonly data: Uint8Array;
}

/** As another library reads them. */
function videoSamples(bytes: Uint8Array): VideoSample[] {
  const found: VideoSample[] = [];
  const file = createFile();
  file.onReady = ({ tracks }) => {
    for (const { id } of tracks.filter(({ video }) => video !== undefined)) file.setExtractionOptions(id);
    file.start();
  };
  file.onSamples = (_id, _user, samples) => {
    for (const { dts, cts, timescale, is_sync, data } of samples) {
      if (data === undefined) throw new Error('a sample without bytes');
      const ms = (time: number) => Math.round((time * 1000) / timescale);
      found.push({ dtsMs: ms(dts), compositionMs: ms(cts) - ms(dts), isKey: is_sync, data });
    }
  };
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(new Uint8Array(bytes).buffer, 0));
  file.flush();
  return found;
}

function boxBody(bytes: Buffer, type: string): Uint8Array {
  const at = bytes.indexOf(type, 0, 'latin1');
  if (at < 0) throw new Error(`no box ${type}`);
  return bytes.subarray(at + 4, at - 4 + bytes.readUInt32BE(at - 4));
}

function ascii(text: string): number[] {
  return [...Buffer.from(text, 'latin1')];
}
