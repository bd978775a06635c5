import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { FlvTag } from '../../src/formats/flv-file.ts';
import type { IngestResultCode } from '../../src/ingest/publish-session.ts';
import type { RtmpIngestLimits } from '../../src/ingest/rtmp-limits.ts';
import type { LiveEventView } from '../../src/live/live-directory.ts';
import { amf0Object, writeAmf0 } from '../../src/protocols/rtmp/amf0.ts';
import { MESSAGE_TYPE } from '../../src/protocols/rtmp/message.ts';
import { readFlvLoop } from '../../src/publisher/flv-loop.ts';
import { type LiveShow, startLiveShow, TOKEN } from '../support/live-show.ts';
import { until } from '../support/programs.ts';
import { type RawPublisher, rawPublisher } from '../support/raw-publisher.ts';

// The codes of reference §6 that an encoder of RTMP can cause by itself, through a real socket, with the event that tells
// of it. What depends on the type of the live event (resolution, bitrate, frame rate, qualities) is in live-conditions.

const MEDIA = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const TYPE_IDS = { video: MESSAGE_TYPE.video, audio: MESSAGE_TYPE.audio, script: MESSAGE_TYPE.dataAmf0 };
const FAR_APART_MS = 2_000_000_000;

interface Case {
  readonly code: IngestResultCode;
  readonly name: string;
  readonly event: 'ConnectionRejected' | 'EncoderDisconnected';
  /** What the encoder is told. */
  readonly said: string;
  readonly view?: Partial<LiveEventView>;
  readonly limits?: Partial<RtmpIngestLimits>;
  readonly app?: string;
  act(encoder: RawPublisher, show: LiveShow): void | Promise<void>;
}

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const video = (payload: Uint8Array, timestampMs = 0) => ({
  typeId: MESSAGE_TYPE.video,
  timestampMs,
  payload,
});
const audio = (payload: Uint8Array, timestampMs = 0) => ({
  typeId: MESSAGE_TYPE.audio,
  timestampMs,
  payload,
});
const metadata = (properties: Readonly<Record<string, number>>) => ({
  typeId: MESSAGE_TYPE.dataAmf0,
  timestampMs: 0,
  payload: writeAmf0(['@setDataFrame', 'onMetaData', amf0Object(properties)]),
});
const AAC_HEADER = audio(hex('af 00 1190'));
const AAC_FRAME = audio(hex('af 01 2110'));
const nothing = () => undefined;

async function sendMedia(
  encoder: RawPublisher,
  choose: (tag: FlvTag) => boolean = () => true,
): Promise<void> {
  const { headers, media } = await readFlvLoop(MEDIA);
  for (const { type, timestampMs, body } of [...headers, ...media.slice(0, 40)].filter(choose)) {
    encoder.send({ typeId: TYPE_IDS[type], timestampMs, payload: body });
  }
}

const CASES: readonly Case[] = [
  {
    code: 'MPE_RTMP_APPID_AUTH_FAILURE',
    name: 'a wrong token',
    event: 'ConnectionRejected',
    said: 'stream key is not known',
    app: 'live/ffffffffffff',
    act: nothing,
  },
  {
    code: 'MPE_BAD_URL_SYNTAX',
    name: 'an address that is not live/…',
    event: 'ConnectionRejected',
    said: 'The address must be rtmp://host/live/',
    app: 'vod',
    act: nothing,
  },
  {
    code: 'MPE_INGEST_ENCODER_CONNECTION_DENIED',
    name: 'an address that is not allowed',
    event: 'ConnectionRejected',
    said: 'NetStream.Publish.BadName',
    view: { ingestAllow: [{ address: '10.0.0.0', prefixLength: 8 }] },
    act: nothing,
  },
  {
    code: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
    name: 'onMetaData that announces Sorenson H.263',
    event: 'ConnectionRejected',
    said: 'Sorenson H.263 is not supported. Set the encoder to H.264.',
    act: (encoder) => encoder.send(metadata({ videocodecid: 2, audiocodecid: 10 })),
  },
  {
    code: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
    name: 'VP6 after AAC that was let in',
    event: 'ConnectionRejected',
    said: 'VP6 is not supported',
    act: (encoder) => {
      for (const message of [AAC_HEADER, AAC_FRAME, video(hex('14 00'))]) encoder.send(message);
    },
  },
  {
    code: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
    name: 'Speex',
    event: 'ConnectionRejected',
    said: 'Speex is not supported. Set the encoder to AAC.',
    act: (encoder) => encoder.send(audio(hex('b2 0102'))),
  },
  {
    code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
    name: 'video before its header',
    event: 'ConnectionRejected',
    said: 'without its AVC sequence header',
    act: (encoder) => encoder.send(video(hex('17 01 000000 00000001 65'))),
  },
  {
    code: 'MPE_INGEST_RTMP_SETDATAFRAME_NOT_RECEIVED',
    name: 'a second bitrate that does not say which it is',
    event: 'ConnectionRejected',
    said: '?videodatarate=',
    act: async (encoder, show) => {
      await sendMedia(await rawPublisher(show.port(), 'other', { app: `live/${TOKEN}` }));
      await sendMedia(encoder, ({ type }) => type !== 'script');
    },
  },
  {
    code: 'MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV',
    name: 'a message without end',
    event: 'ConnectionRejected',
    said: 'exceeds 8388608',
    act: (encoder) => encoder.send(video(new Uint8Array(9 * 1024 * 1024))),
  },
  {
    code: 'MPE_RTMP_FLV_TAG_TIMESTAMP_INVALID',
    name: 'timestamps that run away',
    event: 'EncoderDisconnected',
    said: 'timestamps of the encoder run away',
    act: (encoder) => {
      encoder.send(AAC_HEADER);
      // Ten years, in steps that are the nearest way round.
      for (let step = 0; step < 170; step += 1) {
        encoder.send(audio(AAC_FRAME.payload, (step * FAR_APART_MS) % 2 ** 32));
      }
    },
  },
  {
    code: 'MPE_CAPACITY_LIMIT_REACHED',
    name: 'more tracks than a connection may have',
    event: 'EncoderDisconnected',
    said: 'At most 16 tracks',
    act: (encoder) => {
      encoder.send(AAC_HEADER);
      encoder.send(AAC_FRAME);
      for (let track = 1; track <= 16; track += 1) {
        const id = track.toString(16).padStart(2, '0');
        encoder.send(audio(hex(`95 00 6d703461 ${id} 1190`)));
      }
    },
  },
  {
    code: 'MPE_RTMP_SESSION_IDLE_TIMEOUT',
    name: 'silence',
    event: 'EncoderDisconnected',
    said: 'No audio or video arrived in time',
    limits: { idleTimeoutMs: 500 },
    act: (encoder) => sendMedia(encoder),
  },
  {
    code: 'MPE_CLIENT_TERMINATED_SESSION',
    name: 'a goodbye',
    event: 'EncoderDisconnected',
    said: 'closed',
    act: async (encoder) => {
      await sendMedia(encoder);
      encoder.stop();
    },
  },
  {
    code: 'MPI_STREAM_HIT_EOF',
    name: 'a connection that ends without one',
    event: 'EncoderDisconnected',
    said: 'closed',
    act: async (encoder) => {
      await sendMedia(encoder);
      encoder.end();
    },
  },
  {
    code: 'MPI_REST_API_CHANNEL_STOP',
    name: 'a live event that is stopped',
    event: 'EncoderDisconnected',
    said: 'it was stopped',
    act: async (encoder, show) => {
      await sendMedia(encoder);
      show.view = { ...show.view, resourceState: 'Stopping' };
      await show.refresh();
    },
  },
  {
    code: 'MPI_SYSTEM_MAINTENANCE',
    name: 'a service that stops',
    event: 'EncoderDisconnected',
    said: 'closed',
    act: async (encoder, show) => {
      await sendMedia(encoder);
      await show.close();
    },
  },
];

let show: LiveShow | undefined;
afterEach(async () => {
  await show?.close();
  show = undefined;
});

describe('result codes of RTMP', () => {
  it.each(CASES)('$code: $name', async ({ code, event, said, view, limits, app, act }) => {
    const running = await startLiveShow(view, Date, limits);
    show = running;
    const encoder = await rawPublisher(running.port(), 'main', { app: app ?? `live/${TOKEN}` });
    await act(encoder, running);
    await until(() => running.told().includes(`${event} ${code}`), `${event} ${code}`);
    expect(await encoder.outcome).toContain(said);
    const [told] = running.data(`LiveEvent${event}`);
    expect(told).toMatchObject({ resultCode: code, encoderIp: '127.0.0.1' });
    expect(JSON.stringify(running.events)).not.toContain(TOKEN);
    if (code === 'MPI_SYSTEM_MAINTENANCE') show = undefined;
  });
});
