import { afterEach, describe, expect, it } from '@jest/globals';
import type { IngestResultCode } from '../../src/ingest/publish-session.ts';
import type { LiveEventView } from '../../src/live/live-directory.ts';
import { LIVE_EVENT, type LiveShow, startLiveShow, TOKEN } from '../support/live-show.ts';
import { until } from '../support/programs.ts';
import { post } from '../support/smooth-session.ts';
import { CUE_MANIFEST, sparseHeaders } from '../support/sparse-session.ts';

// The codes of reference §6 that an encoder of fragmented MP4 is turned away with, through a real socket and the real
// door of a live event, with the event that tells of it. What only the intake decides is in smooth-ingest.

const STRANGER = 'ffffffffffff';
const HEADERS = sparseHeaders({ manifest: CUE_MANIFEST });

interface Case {
  readonly code: IngestResultCode;
  readonly name: string;
  readonly status: number;
  readonly view?: Partial<LiveEventView>;
  readonly token?: string;
  /** Undefined: an empty POST. */
  readonly body?: Uint8Array;
}

const DOOR: readonly Omit<Case, 'body'>[] = [
  { code: 'MPE_RTMP_APPID_AUTH_FAILURE', name: 'a wrong token', status: 404, token: STRANGER },
  {
    code: 'MPE_INGEST_ENCODER_CONNECTION_DENIED',
    name: 'an address that is not allowed',
    status: 403,
    view: { ingestAllow: [{ address: '10.0.0.0', prefixLength: 8 }] },
  },
  {
    code: 'MPE_INGEST_ENCODER_CONNECTION_DENIED',
    name: 'an empty list of addresses',
    status: 403,
    view: { ingestAllow: [] },
  },
  {
    code: 'MPE_INGEST_ENCODER_CONNECTION_DENIED',
    name: 'a live event that takes RTMP only',
    status: 403,
    view: { streamingProtocol: 'RTMP' },
  },
  {
    code: 'MPE_INGEST_ENCODER_CONNECTION_DENIED',
    name: 'a live event that is stopped',
    status: 403,
    view: { resourceState: 'Stopped' },
  },
];

const CASES: readonly Case[] = [
  ...DOOR.map((each) => ({ ...each, name: `${each.name}, asked with an empty POST` })),
  ...DOOR.map((each) => ({ ...each, name: `${each.name}, with a stream`, body: HEADERS })),
  {
    code: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
    name: 'VC-1',
    status: 415,
    body: sparseHeaders({ handler: 'vide', sampleEntry: 'vc-1' }),
  },
  {
    code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
    name: 'a body that is no MP4',
    status: 400,
    body: Buffer.from('this is no fragmented MP4, and was never one'),
  },
];

let show: LiveShow | undefined;
afterEach(async () => {
  await show?.close();
  show = undefined;
});

describe('result codes of fragmented MP4', () => {
  it.each(CASES)('$code: $name', async ({ code, status, view, token = TOKEN, body }) => {
    const running = await startLiveShow({ streamingProtocol: 'FragmentedMP4', ...view });
    show = running;
    const answer = await post(running.smoothUrl('main').replace(TOKEN, token), body);
    expect(answer).toMatchObject({ status, code });
    await until(() => running.events.length > 0, 'the event');
    expect(running.told()).toEqual([`ConnectionRejected ${code}`]);
    // Of whom nobody knows the token, nobody knows the live event.
    const subject = token === TOKEN ? `liveEvent/${LIVE_EVENT}` : expect.stringMatching(/^liveEvent/);
    expect(running.events).toMatchObject([
      {
        subject,
        data: {
          resultCode: code,
          streamId: 'main',
          encoderIp: '127.0.0.1',
          ingestUrl: expect.stringMatching(
            /^http:\/\/127\.0\.0\.1:\d+\/\*{4}\/ingest\.isml\/Streams\(main\)$/,
          ),
        },
      },
    ]);
    const all = JSON.stringify([running.events, running.log]);
    expect([all.includes(TOKEN), all.includes(STRANGER)]).toEqual([false, false]);
  });
});
