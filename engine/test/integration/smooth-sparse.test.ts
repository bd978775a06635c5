import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type SmoothIngest, startSmoothIngest } from '../../src/ingest/smooth/smooth-ingest.ts';
import { FragmentDoor } from '../support/fragment-door.ts';
import { openPost, post } from '../support/smooth-session.ts';
import { CUE_MANIFEST, sparseFragment, sparseHeaders } from '../support/sparse-session.ts';

const TOKEN = 'abcd1234ef';
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const cue = (atMs: number, text: string) => ({
  atTicks: atMs * 10_000,
  durationTicks: 20_000,
  data: Buffer.from(text),
});

let door: FragmentDoor;
let ingest: SmoothIngest;
let url: string;
beforeAll(async () => {
  const forwarding = {
    open: (request: Parameters<FragmentDoor['open']>[0]) => door.open(request),
    probe: (request: Parameters<FragmentDoor['probe']>[0]) => door.probe(request),
    reportRefusal: (...about: Parameters<FragmentDoor['reportRefusal']>) => door.reportRefusal(...about),
  };
  const host = { host: '127.0.0.1', publicHost: 'ingest.example', port: 0, publicPort: 0 };
  ingest = await startSmoothIngest({ ...host, door: forwarding, log, clock: Date });
  url = `http://127.0.0.1:${ingest.port}/${TOKEN}/ingest.isml/Streams(cues)`;
});
afterAll(() => ingest.close());
beforeEach(() => {
  door = new FragmentDoor(TOKEN);
});

const DATA = {
  kind: 'data',
  configurationRecord: new Uint8Array(),
  codecString: '',
  sampleEntry: 'urim',
  subtype: 'DATA',
  manifestOutput: false,
} as const;
const UNNAMED = { type: 'text', name: undefined, language: undefined } as const;

describe('Smooth ingest of sparse tracks', () => {
  it.each([
    {
      name: 'ad markers as their manifest describes them',
      headers: { manifest: CUE_MANIFEST },
      track: {
        ...{ type: 'text', name: 'scte35-sparse-stream', language: undefined },
        format: {
          ...DATA,
          scheme: 'urn:scte:scte35:2013:bin',
          parentTrackName: 'video',
          manifestOutput: true,
        },
      },
    },
    {
      name: 'captions, in a language',
      headers: {
        manifest: CUE_MANIFEST.replace('value="DATA"', 'value="capt"').replace('"und"', '"ger"'),
        handler: 'subt',
        sampleEntry: 'stpp',
      },
      track: {
        ...{ type: 'text', name: 'scte35-sparse-stream', language: 'de' },
        format: {
          ...{ ...DATA, sampleEntry: 'stpp', subtype: 'CAPT', manifestOutput: true },
          ...{ scheme: 'urn:scte:scte35:2013:bin', parentTrackName: 'video' },
        },
      },
    },
    {
      name: 'metadata without a manifest',
      headers: { handler: 'meta', sampleEntry: 'metx' },
      track: { ...UNNAMED, format: { ...DATA, sampleEntry: 'metx' } },
    },
    {
      name: 'text without a manifest',
      headers: { handler: 'text', sampleEntry: 'tx3g' },
      track: { ...UNNAMED, format: { ...DATA, sampleEntry: 'tx3g' } },
    },
    {
      name: 'a handler that only the manifest knows, and a scheme that is no text',
      headers: {
        manifest: CUE_MANIFEST.replace('"urn:scte:scte35:2013:bin"', '"a\u0085b"'),
        handler: 'cue ',
        sampleEntry: 'abcd',
      },
      track: {
        ...{ type: 'text', name: 'scte35-sparse-stream', language: undefined },
        format: { ...DATA, sampleEntry: 'abcd', parentTrackName: 'video', manifestOutput: true },
      },
    },
  ])('takes $name in a POST of its own', async ({ headers, track }) => {
    const body = Buffer.concat([sparseHeaders(headers), sparseFragment(cue(1500, 'splice'))]);
    expect(await post(url, body)).toMatchObject({ status: 200 });
    expect([...door.tracks.values()]).toEqual([
      { ...track, declaredBitrateBps: undefined, declaredFrameRate: undefined },
    ]);
    expect(door.fragments).toEqual([
      {
        key: expect.stringMatching(/^text /),
        timestampTicks: 15_000_000,
        durationTicks: 20_000,
        samples: [
          {
            ...{ dtsTicks: 15_000_000, durationTicks: 20_000, compositionOffsetTicks: 0 },
            ...{ isRandomAccessPoint: true, data: new Uint8Array(Buffer.from('splice')) },
          },
        ],
      },
    ]);
    expect([door.closes, door.refusals]).toEqual([['S_OK'], []]);
  });

  it('takes fragments as they come, however cut, and leaves out what is empty or not wanted', async () => {
    door.wantsFragment = (_key, timestampTicks) => timestampTicks !== 20_000_000;
    const sent = openPost(url);
    const body = Buffer.concat([
      sparseHeaders({ manifest: CUE_MANIFEST }),
      ...[cue(1000, 'one'), cue(2000, 'repeated'), cue(3000, ''), cue(9000, 'two')].map(sparseFragment),
    ]);
    for (let at = 0; at < body.length; at += 97) await sent.write(body.subarray(at, at + 97));
    sent.end();
    expect(await sent.answer).toMatchObject({ status: 200 });
    const texts = door.fragments.map(({ samples }) =>
      samples.map(({ data }) => Buffer.from(data).toString()).join(),
    );
    expect(texts.filter((text) => text !== '')).toEqual(['one', 'two']);
  });

  it.each([
    { name: 'time codes', headers: { handler: 'tmcd', sampleEntry: 'tmcd' } },
    { name: 'hints', headers: { handler: 'hint', sampleEntry: 'rtp ' } },
  ])('refuses a POST of nothing but $name', async ({ headers }) => {
    const code = 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED';
    expect(await post(url, sparseHeaders(headers))).toMatchObject({ status: 400, code });
    expect([door.refusals, door.requests]).toEqual([[code], []]);
  });
});
