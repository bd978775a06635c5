import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseMovieFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import { type SmoothIngest, startSmoothIngest } from '../../src/ingest/smooth/smooth-ingest.ts';
import { FragmentDoor } from '../support/fragment-door.ts';
import { startLiveShow } from '../support/live-show.ts';
import { ffmpeg } from '../support/programs.ts';
import {
  joined,
  openPost,
  post,
  recordSession,
  type SessionBox,
  splitBoxes,
} from '../support/smooth-session.ts';
import { makeSource } from '../support/source-media.ts';
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

const COPY = ['-c', 'copy', '-c:s', 'mov_text'];
const ISML = ['-movflags', 'isml+frag_keyframe', '-f', 'ismv'];
/** FFmpeg numbers the tracks as they are mapped. */
const SUBTITLES = 3;

/** Of all tracks, in order: when each begins, and what its mdat holds. */
function fragmentsOf(boxes: readonly SessionBox[]) {
  return boxes.flatMap(({ type, bytes }, at) => {
    const mdat = boxes[at + 1];
    if (type !== 'moof' || mdat === undefined) return [];
    const payload = { offset: bytes.length + 8, sizeBytes: mdat.bytes.length - 8 };
    const { trackId, tfxd } = parseMovieFragment(bytes, payload, () => undefined);
    return { trackId, ticks: Number(tfxd?.absoluteTime), media: mdat.bytes.subarray(8) };
  });
}

describe('a live event', () => {
  it('takes subtitles that FFmpeg sends on the connection of picture and sound', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headend-sparse-'));
    const show = await startLiveShow({ streamingProtocol: 'FragmentedMP4' });
    try {
      const plain = await makeSource(folder, 'plain.mp4', 6);
      const captions = join(folder, 'captions.srt');
      await writeFile(
        captions,
        '1\n00:00:01,000 --> 00:00:02,500\nKick-off\n\n2\n00:00:04,000 --> 00:00:05,000\n1 & 0\n\n',
      );
      const source = join(folder, 'captions.mp4');
      await ffmpeg('-i', plain, '-i', captions, '-map', '0', '-map', '1', ...COPY, source);
      const session = await recordSession(source, '-map', '0', ...ISML);
      expect(await post(show.smoothUrl('main'), joined(session))).toMatchObject({ status: 200 });
      const [picture, , subtitles] = await show.shown();
      expect((await show.shown()).map(({ track }) => track.type)).toEqual(['video', 'audio', 'text']);
      if (picture === undefined || subtitles === undefined) throw new Error('a track is missing');
      const sent = fragmentsOf(session).filter(({ trackId }) => trackId === SUBTITLES);
      const said = sent.map(({ media }) => media.toString('latin1')).join('|');
      expect(said).toMatch(/Kick-off.*\|.*1 & 0/);
      const offsetTicks = picture.fragments[0]?.decodeTimeTicks ?? 0;
      const shown = fragmentsOf(splitBoxes(Buffer.from(await show.file(subtitles.track))));
      expect(shown.map(({ ticks, media }) => ({ ticks: ticks - offsetTicks, media }))).toEqual(
        sent.map(({ ticks, media }) => ({ ticks, media })),
      );
      // Key frames every second: picture goes by them, and by nothing else.
      expect(new Set(picture.fragments.map(({ durationTicks }) => durationTicks)).size).toBe(1);
      expect(picture.fragments.every(({ discontinuity }) => discontinuity === 0)).toBe(true);
      expect(show.told().filter((name) => /Dropped|Discontinuity|Rejected/.test(name))).toEqual([]);
    } finally {
      await show.close();
      await rm(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
