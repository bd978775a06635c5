import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { VideoBody } from '../../src/lib/contracts/video-body.ts';
import { decideVideo } from '../../src/lib/domain/decide-video.ts';
import { observeVideo } from '../../src/lib/domain/observe-video.ts';
import {
  type Attempt,
  jobNameOf,
  type Video,
  type VideoMedia,
  videoOfJob,
  videoState,
} from '../../src/lib/domain/video.ts';
import { videoProgress } from '../../src/lib/domain/video-progress.ts';
import type { VideoSnapshot } from '../../src/lib/domain/video-snapshot.ts';
import { transformOutputs } from '../../src/lib/domain/video-transform.ts';
import { withoutQueries } from '../../src/lib/domain/without-queries.ts';
import { newVideo } from '../../src/lib/workflows/api-videos.ts';
import { shownSettings } from '../../src/lib/workflows/source-address.ts';
import { nextLookMs } from '../../src/lib/workflows/video-due.ts';

const NOW_MS = 1_800_000_000_000;
const ID = '0a1b2c3d-0000-4000-8000-000000000000';

const fresh = (body: object = { source: { upload: {} } }): Video =>
  newVideo(
    { name: 'lecture', id: ID, settings: VideoBody.parse(body), sourceMark: null, sourceAsset: null },
    { clock: { now: () => NOW_MS }, random: { guid: () => ID } },
  );

const attempt = (changes: Partial<Attempt> = {}): Attempt => ({
  number: 1,
  transform: 't',
  outputs: ['encode', 'index'],
  files: [],
  encoding: 'adaptive',
  indexing: { language: 'en-US', mode: 'standard', captions: true, video: false },
  startedAtMs: NOW_MS,
  retries: 0,
  state: 'running',
  progress: {},
  outputStates: {},
  retryAtMs: null,
  ...changes,
});

const media = (changes: Partial<VideoMedia> = {}): VideoMedia => ({
  attempt: 1,
  transform: 't',
  asset: 'a',
  durationMs: 1000,
  renditions: [],
  files: [],
  poster: null,
  sprites: null,
  captions: [],
  transcript: null,
  insights: null,
  ...changes,
});

const upload = [{ file: 'a.mp4', sizeBytes: 1 }];
const finished = attempt({ state: 'finished' });
const failed = {
  category: 'content',
  code: 'x',
  reason: 'y',
  retry: 'willNotHelp',
  retryAtMs: null,
  atMs: 0,
} as const;
const caption = { name: 'c', language: 'en', file: 'c.vtt', state: 'wanted' } as const;

describe('the state of a video', () => {
  const manual = { source: { url: 'https://a.example/b' }, publish: { when: 'manual' } };
  const cases: readonly { name: string; video: Video; state: string; overall: number }[] = [
    { name: 'nothing uploaded', video: fresh(), state: 'awaitingUpload', overall: 0 },
    { name: 'uploaded', video: { ...fresh(), uploads: upload }, state: 'queued', overall: 0 },
    {
      name: 'renditions wait for the call',
      video: { ...fresh({ source: { upload: {} }, encoding: 'none' }), uploads: upload },
      state: 'awaitingUpload',
      overall: 0,
    },
    { name: 'an address', video: fresh(manual), state: 'queued', overall: 0 },
    {
      name: 'a recording',
      video: fresh({ source: { program: 'a/b' } }),
      state: 'awaitingRecording',
      overall: 0,
    },
    { name: 'its job waits', video: { ...fresh(), attempt: attempt() }, state: 'queued', overall: 0 },
    {
      name: 'its job works',
      video: {
        ...fresh(),
        attempt: attempt({
          progress: { encode: 50 },
          outputStates: { encode: 'processing', index: 'queued' },
        }),
      },
      state: 'encoding',
      overall: 38,
    },
    {
      name: 'its index is made',
      video: {
        ...fresh(),
        attempt: attempt({
          progress: { encode: 100, index: 50 },
          outputStates: { encode: 'finished', index: 'processing' },
        }),
      },
      state: 'indexing',
      overall: 86,
    },
    {
      name: 'it is tried again',
      video: {
        ...fresh(),
        encodeWanted: false,
        attempt: attempt({ state: 'failed', retryAtMs: NOW_MS + 1 }),
        error: failed,
      },
      state: 'retrying',
      overall: 0,
    },
    {
      name: 'it has failed',
      video: { ...fresh(), encodeWanted: false, attempt: attempt({ state: 'failed' }), error: failed },
      state: 'failed',
      overall: 0,
    },
    {
      name: 'captions are to come',
      video: { ...fresh(), encodeWanted: false, attempt: finished, media: media({ captions: [caption] }) },
      state: 'publishing',
      overall: 76,
    },
    {
      name: 'it is published',
      video: { ...fresh(), encodeWanted: false, attempt: finished, media: media(), published: true },
      state: 'published',
      overall: 100,
    },
    {
      name: 'it waits for somebody',
      video: { ...fresh(manual), encodeWanted: false, attempt: finished, media: media() },
      state: 'ready',
      overall: 100,
    },
    {
      name: 'it is closed',
      video: {
        ...fresh(),
        attempt: finished,
        media: media(),
        publishingWanted: 'unpublished',
        encodeWanted: false,
      },
      state: 'unpublished',
      overall: 100,
    },
    { name: 'it goes', video: { ...fresh(), deleted: true }, state: 'deleting', overall: 0 },
  ];
  it.each(cases)('is $state when $name', ({ video, state, overall }) => {
    expect([videoState(video, NOW_MS), videoProgress(video, NOW_MS).overall]).toEqual([state, overall]);
  });
});

const READY = { keyPolicy: 'notNeeded', deliveryPolicy: 'builtIn', missingKeys: [] } as const;

const snapshot = (video: Video, changes: Partial<VideoSnapshot> = {}): VideoSnapshot => ({
  video,
  uploads: undefined,
  inputAsset: 'ready',
  isRecordingOver: false,
  job: undefined,
  locator: 'absent',
  imagesLocator: 'absent',
  protection: READY,
  transform: 't2',
  nowMs: NOW_MS,
  ...changes,
});

describe('what a video needs next', () => {
  const done = { ...fresh(), encodeWanted: false, attempt: finished, media: media() };
  const keys = { ...READY, missingKeys: [{ label: 'cencKeyDefault', scheme: 'cenc' }] } as const;
  const cases: readonly { name: string; snapshot: VideoSnapshot; steps: readonly string[] }[] = [
    {
      name: 'a place for the upload',
      snapshot: snapshot(fresh(), { inputAsset: 'absent' }),
      steps: ['createInput'],
    },
    { name: 'nothing while it waits', snapshot: snapshot(fresh()), steps: [] },
    {
      name: 'keys ahead of everything',
      snapshot: snapshot(fresh(), { protection: keys }),
      steps: ['createKeys'],
    },
    { name: 'a job', snapshot: snapshot({ ...fresh(), attempt: attempt() }), steps: ['submit'] },
    {
      name: 'a look at what was made',
      snapshot: snapshot({ ...done, media: null }),
      steps: ['adopt'],
    },
    {
      name: 'captions before viewers',
      snapshot: snapshot({ ...done, media: media({ captions: [caption] }) }),
      steps: ['addCaption'],
    },
    {
      name: 'captions before viewers are led to other files',
      snapshot: snapshot({ ...done, media: media({ captions: [caption] }) }, { locator: 'outdated' }),
      steps: ['addCaption'],
    },
    { name: 'viewers', snapshot: snapshot(done), steps: ['publish'] },
    {
      name: 'nobody without a profile',
      snapshot: snapshot(done, { protection: undefined }),
      steps: [],
    },
    {
      name: 'who gets keys before all else',
      snapshot: snapshot(done, { protection: { ...READY, keyPolicy: 'absent', deliveryPolicy: 'absent' } }),
      steps: ['applyKeyPolicy'],
    },
    {
      name: 'pictures',
      snapshot: snapshot({ ...done, media: media({ poster: 'p.jpg' }) }, { locator: 'ours' }),
      steps: ['publishImages'],
    },
    {
      name: 'another locator for other files',
      snapshot: snapshot(done, { locator: 'outdated' }),
      steps: ['unpublish'],
    },
    {
      name: 'earlier encodings to go, once nobody is led to them',
      snapshot: snapshot({ ...done, stale: [{ number: 7, transform: 't' }] }, { locator: 'ours' }),
      steps: ['removeAttempt'],
    },
    {
      name: 'to be closed before it goes',
      snapshot: snapshot({ ...done, deleted: true }, { locator: 'ours', imagesLocator: 'ours' }),
      steps: ['unpublish', 'unpublishImages'],
    },
    { name: 'to be forgotten at last', snapshot: snapshot({ ...fresh(), deleted: true }), steps: ['forget'] },
  ];
  it.each(cases)('is $name', ({ snapshot: seen, steps }) => {
    expect(decideVideo(seen).map(({ kind }) => kind)).toEqual(steps);
  });

  it('is an attempt as soon as its input is there, and never two', () => {
    const begun = observeVideo(snapshot(fresh(), { uploads: upload }));
    expect([begun.attempts, begun.attempt?.files, begun.attempt?.transform]).toEqual([1, ['a.mp4'], 't2']);
    expect(observeVideo(snapshot(begun, { uploads: upload })).attempts).toBe(1);
  });
});

describe('names, addresses and times of a video', () => {
  it('are found again in the name of a job', () => {
    const name = fc.stringMatching(/^[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,5}$/);
    fc.assert(
      fc.property(name, fc.uuid(), fc.integer({ min: 1, max: 999_999 }), (video, id, number) => {
        expect(videoOfJob(jobNameOf({ name: video, id }, number))).toBe(video);
      }),
    );
    expect(videoOfJob('somebody-elses')).toBeUndefined();
  });

  it('are told without what signs them', () => {
    const told = "Not found: 'https://a.example/b.mp4?sig=s3cret&x=1' (http://b.example/c#d), asked.";
    expect(withoutQueries(told)).toBe("Not found: 'https://a.example/b.mp4?…' (http://b.example/c?… asked.");
  });

  it.each([
    { url: 'https://a.example/b.mp4', shown: 'https://a.example/b.mp4', address: null },
    {
      url: 'https://a.example/b.mp4?sig=x',
      shown: 'https://a.example/b.mp4',
      address: 'https://a.example/b.mp4?sig=x',
    },
    { url: 'https://u:p@a.example/b', shown: 'https://a.example/b', address: 'https://u:p@a.example/b' },
  ])('show $url as $shown', ({ url, shown, address }) => {
    const { settings } = fresh({ source: { url } });
    expect(shownSettings(settings)).toEqual({ settings: { ...settings, source: { url: shown } }, address });
  });

  it.each([
    { name: 'what nobody can upload to is not looked at', video: fresh(), lookMs: undefined },
    {
      name: 'what may arrive is',
      video: { ...fresh(), uploadOpen: { sinceMs: NOW_MS, untilMs: NOW_MS + 1000 } },
      lookMs: 5_000,
    },
    {
      name: 'what has run for long is looked at less often',
      video: { ...fresh(), attempt: attempt({ startedAtMs: NOW_MS - 300_000 }) },
      lookMs: 30_000,
    },
    {
      name: 'and each minute at least',
      video: { ...fresh(), attempt: attempt({ startedAtMs: 0 }) },
      lookMs: 60_000,
    },
    {
      name: 'what is tried again has its time',
      video: { ...fresh(), attempt: attempt({ state: 'failed', retryAtMs: NOW_MS + 7_000 }) },
      lookMs: 7_000,
    },
    {
      name: 'what is to be published has its moment',
      video: {
        ...fresh({ source: { upload: {} }, publish: { when: new Date(NOW_MS + 9_000).toISOString() } }),
        encodeWanted: false,
        attempt: finished,
        media: media(),
      },
      lookMs: 9_000,
    },
  ])('$name', ({ video, lookMs }) => {
    const look = nextLookMs(video, { failed: undefined, nowMs: NOW_MS });
    expect(look === undefined ? undefined : look - NOW_MS).toBe(lookMs);
  });

  it.each([
    { encoding: 'adaptive', preset: { presetName: 'AdaptiveStreaming' } },
    { encoding: 'none', preset: { presetName: 'CopyAllBitrateNonInterleaved' } },
    { encoding: 'H265SingleBitrate4K', preset: { presetName: 'H265SingleBitrate4K' } },
    {
      encoding: { preset: { '@odata.type': '#Microsoft.Media.StandardEncoderPreset', codecs: [] } },
      preset: { '@odata.type': '#Microsoft.Media.StandardEncoderPreset', codecs: [] },
    },
  ])('make a transform of $encoding', ({ encoding, preset }) => {
    const { settings } = fresh({
      source: { upload: {} },
      encoding,
      indexing: { language: 'de-DE', video: true },
    });
    const outputs = transformOutputs(settings);
    expect(outputs.map(({ label, onError }) => [label, onError])).toEqual([
      ['encode', 'StopProcessingJob'],
      ['images', 'ContinueJob'],
      ['index', 'ContinueJob'],
    ]);
    expect(outputs[0]?.preset).toMatchObject(preset);
    expect(outputs[2]?.preset).toEqual({
      '@odata.type': '#Microsoft.Media.VideoAnalyzerPreset',
      audioLanguage: 'de-DE',
      mode: 'Standard',
      insightsToExtract: 'AllInsights',
    });
  });
});
