import { fileURLToPath } from 'node:url';
import type { IngestResultCode, PublishDoor } from '../../../src/ingest/publish-session.ts';
import { startRtmpIngest } from '../../../src/ingest/rtmp-ingest.ts';
import { amf0Object, writeAmf0 } from '../../../src/protocols/rtmp/amf0.ts';
import { RtmpClientConnection } from '../../../src/protocols/rtmp/client-connection.ts';
import { controlMessage, MESSAGE_TYPE, type RtmpMessage } from '../../../src/protocols/rtmp/message.ts';
import { RtmpServerConnection } from '../../../src/protocols/rtmp/server-connection.ts';
import { type FlvLoop, readFlvLoop } from '../../../src/publisher/flv-loop.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const MEDIA = fileURLToPath(new URL('../../../../devstack/media/demo-loop.flv', import.meta.url));
const TAGS = 24;
const TYPE_IDS = {
  video: MESSAGE_TYPE.video,
  audio: MESSAGE_TYPE.audio,
  script: MESSAGE_TYPE.dataAmf0,
} as const;
/** A configuration record of libx265 without its SEI, 320×180. */
const HEVC_RECORD =
  '01016000000090000000000078f000fcfdf8f800000f03200001001840010c01ffff016000000300900000030000030078959809210001002a420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c8422000100074401c172b46240';

/** An RTMP ingest on a free port of loopback, with time-outs that a test can wait for. */
export async function startRtmpTarget({ timeoutMs = 200, media = MEDIA } = {}): Promise<FuzzTarget> {
  const loop = await readFlvLoop(media);
  const counts: Record<string, number> = {};
  const count = (name: string): void => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const ingest = await startRtmpIngest({
    addresses: { rtmp: { port: 0, endpoint: 'primary' } },
    host: '127.0.0.1',
    publicHost: '127.0.0.1',
    door: countingDoor(count),
    log: { info: () => undefined, warn: () => count('fault'), error: () => count('error') },
    clock: Date,
    limits: {
      ...{ handshakeTimeoutMs: timeoutMs, publishTimeoutMs: timeoutMs, idleTimeoutMs: timeoutMs },
      ...{ connectionsMax: 1000, connectionsPerAddressMax: 1000 },
    },
  });
  return {
    name: 'rtmp',
    port: ingest.ports['rtmp'] ?? 0,
    sessions: [
      recordedSession(mediaMessages(loop)),
      recordedSession([...mediaMessages(loop), ...enhancedMessages()]),
      interleavedSession(loop, 128),
      interleavedSession(loop, 1000),
    ],
    connections: ingest.connections,
    outcomes: () => counts,
    close: ingest.close,
  };
}

/** Lets everybody in, now and then after a while or not at all, and is full now and then. */
export function countingDoor(count: (name: string) => void): PublishDoor {
  let calls = 0;
  const every = (n: number): boolean => {
    calls += 1;
    return calls % n === 0;
  };
  const later = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    async open() {
      if (every(5)) await later();
      if (every(23)) {
        count('refused at the door');
        return { kind: 'refused', resultCode: 'MPE_RTMP_APPID_AUTH_FAILURE', message: 'Wrong token.' };
      }
      count('publishing');
      const revocation = new AbortController();
      return {
        kind: 'accepted',
        session: {
          setTrack: (_key, { format }) => count(`track ${format.kind}`),
          beginFragment: () => true,
          addSample: () => {
            count('sample');
            if (every(997)) revocation.abort('MPI_REST_API_CHANNEL_RESET' satisfies IngestResultCode);
            return every(11) ? later() : undefined;
          },
          addTextFragment: () => undefined,
          close: async (code) => count(`closed ${code}`),
          revoked: revocation.signal,
        },
      };
    },
    reportRefusal: async (_request, code) => count(`refused ${code}`),
  };
}

/** What the program's own client sends, in the parts that it sends it in, while a server answers. */
function recordedSession(messages: readonly Omit<RtmpMessage, 'messageStreamId'>[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const answers: Uint8Array[] = [];
  const source = { timeMs: 0, random: (size: number) => new Uint8Array(size).fill(7) };
  const client = new RtmpClientConnection({
    ...{ tcUrl: 'rtmp://127.0.0.1/live/abcd1234ef', app: 'live/abcd1234ef', publishingName: 'cam' },
    send: (bytes) => void parts.push(bytes.slice()),
    handshakeSource: () => source,
  });
  const server = new RtmpServerConnection({
    send: (bytes) => void answers.push(bytes),
    handshakeSource: () => source,
  });
  client.start();
  for (let heard = 0; heard < parts.length; heard += 1) {
    server.receive(parts[heard] ?? new Uint8Array(0));
    for (let event = server.next(); event !== undefined; event = server.next()) {
      if (event.kind === 'connect') server.acceptConnect();
      if (event.kind === 'publish') server.acceptPublish();
    }
    for (const answer of answers.splice(0)) client.receive(answer);
  }
  if (!client.isPublishing()) throw new Error('the recorded session did not publish');
  for (const message of messages) client.writeMedia(message);
  client.stop();
  return parts;
}

function mediaMessages({ headers, media }: FlvLoop): Omit<RtmpMessage, 'messageStreamId'>[] {
  return [...headers, ...media.slice(0, TAGS)].map(({ type, timestampMs, body }) => ({
    typeId: TYPE_IDS[type],
    timestampMs,
    payload: body,
  }));
}

/** Metadata, HEVC, a second audio track, and an aggregate. */
function enhancedMessages(): Omit<RtmpMessage, 'messageStreamId'>[] {
  const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
  const map = amf0Object({ 1: amf0Object({ audiodatarate: 64 }) });
  const metadata = amf0Object({ videocodecid: 1_752_589_105, framerate: 25, audioTrackIdInfoMap: map });
  const video = (payload: Uint8Array) => ({ typeId: MESSAGE_TYPE.video, timestampMs: 900, payload });
  const audio = (payload: Uint8Array) => ({ typeId: MESSAGE_TYPE.audio, timestampMs: 900, payload });
  return [
    {
      typeId: MESSAGE_TYPE.dataAmf0,
      timestampMs: 0,
      payload: writeAmf0(['@setDataFrame', 'onMetaData', metadata]),
    },
    video(hex(`90 68766331 ${HEVC_RECORD}`)),
    video(hex('91 68766331 000028 00000003 2601af')),
    video(hex(`96 10 68766331 01 0000${(HEVC_RECORD.length / 2).toString(16)} ${HEVC_RECORD}`)),
    video(hex('96 13 68766331 01 000007 00000003 2601af')),
    audio(hex('95 10 6d703461 00 000002 1190 01 000002 1190')),
    audio(hex('95 11 6d703461 00 000002 aabb 01 000002 ccdd')),
    {
      typeId: MESSAGE_TYPE.aggregate,
      timestampMs: 950,
      payload: hex(
        '08 000004 000000 00 000000 af01aabb 0000000f 09 000009 000014 00 000000 2701000000 00000000 00000014',
      ),
    },
  ];
}

/** Another encoder's way: small chunks, those of sound between those of the picture. */
function interleavedSession(loop: FlvLoop, chunkBytes: number): Uint8Array[] {
  const spoken = recordedSession([]).slice(0, -2);
  const setSize = controlMessage(MESSAGE_TYPE.setChunkSize, chunkBytes);
  const parts = [...spoken, ...chunksOf(setSize, 2, 65_536)];
  const messages = mediaMessages(loop);
  const of = (typeId: number, chunkStreamId: number) =>
    messages
      .filter((message) => message.typeId === typeId)
      .map((message) => chunksOf({ ...message, messageStreamId: 1 }, chunkStreamId, chunkBytes));
  const audio = of(MESSAGE_TYPE.audio, 4).flat();
  for (const chunk of of(MESSAGE_TYPE.video, 6).flat()) {
    parts.push(chunk);
    const between = audio.shift();
    if (between !== undefined) parts.push(between);
  }
  return [...parts, ...audio];
}

/** RTMP 1.0 §5.3.1: a first chunk with the whole header, the others with none. */
function chunksOf(message: RtmpMessage, chunkStreamId: number, chunkBytes: number): Uint8Array[] {
  const { typeId, messageStreamId, timestampMs, payload } = message;
  const head = Buffer.alloc(12);
  head.writeUInt8(chunkStreamId, 0);
  head.writeUIntBE(timestampMs, 1, 3);
  head.writeUIntBE(payload.length, 4, 3);
  head.writeUInt8(typeId, 7);
  head.writeUInt32LE(messageStreamId, 8);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += chunkBytes) {
    const start = at === 0 ? head : Buffer.from([0xc0 | chunkStreamId]);
    chunks.push(new Uint8Array(Buffer.concat([start, payload.subarray(at, at + chunkBytes)])));
  }
  return chunks;
}
