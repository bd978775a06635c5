import { beforeEach, describe, expect, it } from '@jest/globals';
import { onJob, onUpload } from '../../src/lib/events/on-video-event.ts';
import { openHttpApp } from '../support/http-app.ts';
import { openMemoryApp } from '../support/memory-app.ts';

const HOUR_MS = 3_600_000;
const SIGNED = 'https://archive.example/films/1.mp4?sv=2021&sig=s3cret';

let memory: ReturnType<typeof openMemoryApp>;
let http: ReturnType<typeof openHttpApp>;

beforeEach(() => {
  memory = openMemoryApp();
  http = openHttpApp(memory.app);
});

const event = (eventType: string, subject: string) => ({
  id: 'e1',
  eventType,
  subject,
  eventTime: '2026-11-21T12:00:00Z',
  topic: '',
  dataVersion: '1',
  metadataVersion: '1',
  data: {},
});

const stored = async (name = 'lecture') => {
  const found = await memory.app.videos.find(name);
  if (found === undefined) throw new Error(`no video ${name}`);
  return found.value;
};
const base = async (name = 'lecture') => `v-${name}-${(await stored(name)).id.slice(0, 8)}`;
const put = (body: object, name = 'lecture') => http.call('PUT', `/videos/${name}`, { body });
const get = async (name = 'lecture') => (await http.call('GET', `/videos/${name}`)).body;
const stateOf = async (name = 'lecture') => (await get(name)).state;
const uploadUrl = (body: object = {}, name = 'lecture') =>
  http.call('POST', `/videos/${name}/upload-url`, { body });

/** What a storage account says when a file has been written. */
async function upload(file: string, name = 'lecture'): Promise<void> {
  memory.videos.upload(`${await base(name)}-input`, file);
  const container = `upload-${(await stored(name)).id.replaceAll('-', '')}`;
  const subject = `/blobServices/default/containers/${container}/blobs/${file}`;
  await onUpload(event('Microsoft.Storage.BlobCreated', subject), memory.app);
}

async function jobEvent(attempt = 1, name = 'lecture', type = 'JobStateChange'): Promise<void> {
  const job = `${await base(name)}-${attempt}`;
  await onJob(event(`Microsoft.Media.${type}`, `transforms/any/jobs/${job}`), memory.app);
}

async function finish(attempt = 1, options = {}, name = 'lecture'): Promise<void> {
  memory.videos.finish(`${await base(name)}-${attempt}`, options);
  await jobEvent(attempt, name, 'JobFinished');
}

/** Sweeps alone, for as long as it takes. */
async function sweepOn(times = 12, ms = 11_000): Promise<void> {
  for (let round = 0; round < times; round += 1) {
    memory.advance(ms);
    await memory.sweep();
  }
}

describe('a video that is uploaded', () => {
  it('goes from an upload to published by events alone, its addresses the same all the while', async () => {
    const created = await put({ source: { upload: {} }, indexing: { language: 'en-US' } });
    expect([created.status, created.body.state]).toEqual([201, 'awaitingUpload']);
    const { playback } = created.body;
    expect(playback).toEqual({
      status: 'waiting',
      hls: expect.stringMatching(
        /^http:\/\/media\.example\/[0-9a-f-]{36}\/lecture\.ism\/manifest\(format=m3u8-cmaf\)\.m3u8$/,
      ),
      dash: expect.stringContaining('/lecture.ism/manifest(format=mpd-time-cmaf).mpd'),
      smooth: expect.stringMatching(/\/lecture\.ism\/manifest$/),
      protection: null,
    });
    const place = await uploadUrl({ file: 'my lecture.mp4' });
    expect([place.status, place.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(new URL(place.body.url).pathname).toMatch(/^\/account\/upload-[0-9a-f]{32}\/my%20lecture\.mp4$/);
    expect(new URL(place.body.url).searchParams.get('sp')).toBe('rwl');

    await upload('my lecture.mp4');
    expect([await stateOf(), memory.videos.state.made]).toEqual(['queued', [`${await base()}-1`]]);
    const [job] = memory.videos.state.jobs.values();
    expect(job?.settings.source).toEqual({
      kind: 'asset',
      asset: `${await base()}-input`,
      files: ['my lecture.mp4'],
      from: null,
      to: null,
    });
    memory.videos.report(`${await base()}-1`, { encode: 50 });
    await jobEvent(1, 'lecture', 'JobOutputProgress');
    expect(await get()).toMatchObject({
      state: 'encoding',
      progress: { overall: 38, upload: 100, encode: 50, index: 0 },
    });
    memory.videos.report(`${await base()}-1`, { encode: 100, index: 10 });
    await jobEvent(1);
    const indexing = await get();
    expect(indexing.state).toBe('indexing');
    const isTrue = (type: string) =>
      indexing.conditions.find((one: { type: string }) => one.type === type)?.status;
    expect([isTrue('Encoded'), isTrue('Indexed')]).toEqual([true, false]);
    await finish();
    await sweepOn(1);
    const published = await get();
    expect(published).toMatchObject({
      state: 'published',
      progress: { overall: 100, upload: 100, encode: 100, index: 100 },
      playback: { ...playback, status: 'onDemand' },
      duration: 'PT12.5S',
      renditions: [
        { type: 'video', codec: 'avc1', bitrateBps: 700_000, width: 640, height: 360, language: null },
        { type: 'audio', codec: 'aac', bitrateBps: 128_000, language: 'eng' },
      ],
      poster: expect.stringMatching(/^http:\/\/media\.example\/[0-9a-f-]{36}\/poster-000001\.jpg$/),
      sprites: { image: expect.stringContaining('/sprite-000001.jpg'), vtt: expect.stringContaining('.vtt') },
      captions: [{ name: 'captions-en-us', language: 'en-US', inManifests: true }],
      transcript: '/api/v1/videos/lecture/transcript',
      insights: '/api/v1/videos/lecture/insights',
      downloads: [],
      error: null,
      attempts: 1,
    });
    expect(published.conditions.filter(({ status }: { status: boolean }) => !status)).toEqual([]);
    const output = `${await base()}-1`;
    const files = [...(memory.videos.state.files.get(output)?.keys() ?? [])];
    expect(files.filter((name) => name.endsWith('.ism'))).toEqual(['lecture.ism']);
    expect(memory.videos.state.tracks.get(`${output}/captions-en-us`)?.file).toBe('captions-en-us.vtt');
    const timeline = (await http.call('GET', '/videos/lecture/timeline')).body.items;
    expect(timeline.map(({ type }: { type: string }) => type)).toEqual([
      'Published',
      'Indexed',
      'Encoded',
      'DeliveryPolicyReady',
      'KeyPolicyReady',
      'Uploaded',
      'video.encoding',
      'video.uploadUrl',
      'video.created',
    ]);
    expect(JSON.stringify([timeline, published])).not.toContain('s3cret');
    const transcript = await http.call('GET', '/videos/lecture/transcript');
    expect([transcript.headers.get('content-type'), transcript.body]).toEqual([
      'text/vtt; charset=utf-8',
      expect.stringContaining('hello'),
    ]);
    expect((await http.call('GET', '/videos/lecture/insights')).body).toEqual({ insights: {} });
  });

  it('becomes the same when no event ever comes, and is then looked at no more', async () => {
    await put({ source: { upload: {} } });
    await uploadUrl();
    memory.videos.upload(`${await base()}-input`, 'a.mp4');
    await sweepOn();
    expect(await stateOf()).toBe('queued');
    memory.videos.finish(`${await base()}-1`);
    await sweepOn();
    expect(await stateOf()).toBe('published');
    expect([...memory.stores.videoDueRows.keys()]).toEqual([]);
  });

  it.each([
    {
      name: 'renditions that were encoded on site wait for the call',
      body: { source: { upload: {} }, encoding: 'none' },
      files: ['b_360p.mp4', 'a_720p.mp4'],
      begins: false,
      input: ['a_720p.mp4', 'b_360p.mp4'],
    },
    {
      name: 'files that were named begin with the last of them',
      body: { source: { upload: { files: ['b_360p.mp4', 'a_720p.mp4'] } }, encoding: 'none' },
      files: ['b_360p.mp4', 'a_720p.mp4'],
      begins: true,
      input: ['b_360p.mp4', 'a_720p.mp4'],
    },
  ])('$name', async ({ body, files, begins, input }) => {
    await put(body);
    const none = await http.call('POST', '/videos/lecture/encode');
    expect([none.status, none.body.code]).toEqual([409, 'nothingUploaded']);
    await uploadUrl();
    for (const file of files) {
      expect(await stateOf()).toBe('awaitingUpload');
      await upload(file);
    }
    expect(await stateOf()).toBe(begins ? 'queued' : 'awaitingUpload');
    const asked = await http.call('POST', '/videos/lecture/encode');
    expect(asked.status).toBe(202);
    const [job] = memory.videos.state.jobs.values();
    expect(job?.settings.source).toMatchObject({ files: input });
    const [outputs] = memory.videos.state.transforms.values();
    expect(outputs?.[0]?.preset).toEqual({
      '@odata.type': '#Microsoft.Media.BuiltInStandardEncoderPreset',
      presetName: 'CopyAllBitrateNonInterleaved',
    });
    await finish();
    const operation = await http.call('GET', asked.headers.get('operation-location') ?? '');
    expect(operation.body).toMatchObject({
      kind: 'video.encode',
      target: '/api/v1/videos/lecture',
      status: 'Succeeded',
    });
  });

  it('believes no event: one about nothing, and one told twice, do no harm', async () => {
    await put({ source: { upload: {} } });
    await uploadUrl();
    const { id } = await stored();
    const place = `/blobServices/default/containers/upload-${id.replaceAll('-', '')}/blobs`;
    for (const subject of ['', place, `${place}/not-there.mp4`, '/blobServices/default/containers/x/blobs/y'])
      await onUpload(event('Microsoft.Storage.BlobCreated', subject), memory.app);
    await onJob(event('Microsoft.Media.JobFinished', 'transforms/t/jobs/v-nobody-01234567-1'), memory.app);
    await onJob({ ...event('Microsoft.Media.JobFinished', ''), id: '' }, memory.app);
    await jobEvent();
    expect(await stateOf()).toBe('awaitingUpload');
    await upload('a.mp4');
    await upload('a.mp4');
    await jobEvent();
    await jobEvent(7);
    expect(memory.videos.state.made).toHaveLength(1);
  });
});

describe('what fails', () => {
  const begin = async () => {
    await put({ source: { url: 'https://archive.example/1.mp4' } });
    await memory.app.reconcileVideo('lecture');
  };

  it('is tried again after longer and longer when it may pass, four times in all', async () => {
    await begin();
    for (const [index, delayMs] of [10_000, 60_000, 300_000].entries()) {
      memory.videos.fail(`${await base()}-${index + 1}`, { mayRetry: true });
      await jobEvent(index + 1, 'lecture', 'JobErrored');
      expect(await get()).toMatchObject({
        state: 'retrying',
        error: { category: 'service', code: 'ServiceTransientError', retry: 'automatic' },
      });
      memory.advance(delayMs - 2_000);
      await memory.sweep();
      expect(memory.videos.state.made).toHaveLength(index + 1);
      memory.advance(3_000);
      await memory.sweep();
      expect(memory.videos.state.made).toHaveLength(index + 2);
    }
    memory.videos.fail(`${await base()}-4`, { mayRetry: true });
    await jobEvent(4);
    expect(await get()).toMatchObject({ state: 'failed', attempts: 4, error: { retry: 'mayHelp' } });
    await sweepOn(5, HOUR_MS);
    expect(memory.videos.state.made).toHaveLength(4);
    // What earlier attempts have left is gone.
    expect([...memory.state.assets.keys()]).toEqual([`${await base()}-4`, `${await base()}-4-images`]);
  });

  it('is told with its category and advice, and begun anew by the call', async () => {
    await begin();
    memory.videos.fail(`${await base()}-1`, { mayRetry: false });
    await jobEvent();
    const failed = await get();
    expect(failed).toMatchObject({
      state: 'failed',
      error: {
        category: 'content',
        code: 'ContentMalformed',
        reason: 'Something is wrong with it.',
        retry: 'willNotHelp',
        retryAt: null,
        advice: expect.stringContaining('upload another one'),
      },
    });
    const first = await http.call('POST', '/videos/lecture/encode');
    const again = await http.call('POST', '/videos/lecture/encode');
    expect([first.status, again.body.id]).toEqual([202, first.body.id]);
    expect(memory.videos.state.made).toEqual([`${await base()}-1`, `${await base()}-2`]);
    await finish(2);
    expect([await stateOf(), (await get()).error]).toEqual(['published', null]);
  });

  it('is what the preset is when the media service refuses it', async () => {
    memory.videos.state.refusedTransforms = true;
    await begin();
    expect(await get()).toMatchObject({
      state: 'failed',
      error: { category: 'configuration', code: 'BadRequest', reason: 'This preset is not one.' },
    });
  });

  it('of pictures, index and captions holds up nothing', async () => {
    memory.videos.state.refusedTracks = true;
    await put({ source: { url: 'https://archive.example/1.mp4' }, indexing: { language: 'en-US' } });
    await memory.app.reconcileVideo('lecture');
    await finish(1, { failing: ['images'] });
    const video = await get();
    expect(video).toMatchObject({
      state: 'published',
      poster: null,
      sprites: null,
      captions: [{ language: 'en-US', inManifests: false }],
    });
    expect(video.conditions.find(({ type }: { type: string }) => type === 'Indexed')).toMatchObject({
      status: true,
      reason: 'withoutCaptions',
    });
  });
});

describe('what is wanted', () => {
  it('is one video for the same body twice, and its source is fixed', async () => {
    const body = { source: { url: SIGNED }, labels: { tenant: 'north' } };
    const [first, second] = [await put(body), await put(body)];
    expect([first.status, second.status, second.headers.get('etag')]).toEqual([
      201,
      200,
      first.headers.get('etag'),
    ]);
    // A query string is a secret: it is in the secret store and nowhere else.
    expect(first.body.source).toEqual({ url: 'https://archive.example/films/1.mp4' });
    expect(JSON.stringify([...memory.stores.videoRows.rows.values()])).not.toContain('s3cret');
    await memory.app.reconcileVideo('lecture');
    const [job] = memory.videos.state.jobs.values();
    expect(job?.settings.source).toEqual({ kind: 'url', url: SIGNED });
    // What was read may be sent back.
    expect((await put({ ...body, source: first.body.source })).status).toBe(200);
    const other = await put({ ...body, source: { url: SIGNED.replace('s3cret', 'other') } });
    expect([other.status, other.body.code, other.body.errors]).toEqual([
      409,
      'immutableField',
      [{ pointer: '/source', message: 'cannot be changed' }],
    ]);
    const stale = await http.call('PATCH', '/videos/lecture', {
      body: { description: 'x' },
      headers: { 'if-match': '"0-0"' },
    });
    expect([stale.status, stale.body.code]).toEqual([412, 'etagMismatch']);
    const patched = await http.call('PATCH', '/videos/lecture', { body: { description: 'x' } });
    expect([patched.body.description, patched.body.labels]).toEqual(['x', { tenant: 'north' }]);
    const listed = await http.call('GET', '/videos?state=queued&label=tenant:north');
    expect(listed.body.items.map(({ name }: { name: string }) => name)).toEqual(['lecture']);
    expect((await http.call('GET', '/videos?state=published')).body.items).toEqual([]);
  });

  it.each([
    { name: 'no source', body: {}, pointer: '/source' },
    { name: 'another scheme', body: { source: { url: 'ftp://a.example/b' } }, pointer: '/source/url' },
    {
      name: 'what the media service does not fetch',
      body: { source: { url: 'http://a.example/b' } },
      pointer: '/source/url',
    },
    {
      name: 'an encoding that there is not',
      body: { source: { upload: {} }, encoding: 'best' },
      pointer: '/encoding',
    },
    {
      name: 'a basic index without a language',
      body: { source: { upload: {} }, indexing: { mode: 'basic' } },
      pointer: '/indexing/mode',
    },
    { name: 'an unknown field', body: { source: { upload: {} }, colour: 1 }, pointer: '/colour' },
    {
      name: 'a program that there is not',
      body: { source: { program: 'arena/final' } },
      pointer: '/source/program',
    },
    {
      name: 'a profile that there is not',
      body: { source: { upload: {} }, protection: 'none-such' },
      pointer: '/protection',
    },
  ])('is refused with where it is wrong: $name', async ({ body, pointer }) => {
    const { status, body: problem } = await put(body);
    expect([status, problem.errors[0].pointer]).toEqual([400, pointer]);
    expect((await http.call('GET', '/videos/lecture')).status).toBe(404);
  });

  it('may be a part of a recording, which is waited for', async () => {
    await http.call('PUT', '/channels/arena', { body: {} });
    await http.call('PUT', '/channels/arena/programs/final', { body: {} });
    const from = '2026-11-21T12:00:00Z';
    await put({ source: { program: 'arena/final', from, to: 'PT10M' }, encoding: 'copy' });
    await memory.app.reconcileVideo('lecture');
    expect(await stateOf()).toBe('awaitingRecording');
    const program = await memory.app.programs.find('arena', 'final');
    if (program === undefined) throw new Error('no program');
    await memory.app.programs.save({ ...program.value, finishedAtMs: 1 }, program.etag);
    await sweepOn(1);
    const [job] = memory.videos.state.jobs.values();
    expect(job?.settings.source).toEqual({
      kind: 'asset',
      asset: 'arena-final',
      files: [],
      from,
      to: 'PT10M',
    });
  });

  it('may be published by hand, closed and opened, and at a moment', async () => {
    await put({ source: { url: 'https://a.example/1.mp4' }, publish: { when: 'manual' } });
    await memory.app.reconcileVideo('lecture');
    await finish();
    expect(await get()).toMatchObject({
      state: 'ready',
      progress: { overall: 100 },
      playback: { status: 'notPublished' },
    });
    expect((await get()).poster).not.toBeNull();
    const publish = await http.call('POST', '/videos/lecture/publish', { headers: { prefer: 'wait=1' } });
    expect([publish.status, publish.body.status, await stateOf()]).toEqual([200, 'Succeeded', 'published']);
    await http.call('POST', '/videos/lecture/unpublish');
    expect(await get()).toMatchObject({ state: 'unpublished', poster: null });
    expect([...memory.state.locators.keys()]).toEqual([]);
    await http.call('POST', '/videos/lecture/publish');
    expect(await stateOf()).toBe('published');
    const until = new Date(memory.app.clock.now() + 60_000).toISOString();
    await http.call('PATCH', '/videos/lecture', { body: { publish: { until } } });
    await sweepOn(1);
    expect(await stateOf()).toBe('published');
    await sweepOn(1, 60_000);
    expect(await stateOf()).toBe('unpublished');
  });

  it('may be encoded anew: viewers have what there was until there is something new', async () => {
    await put({ source: { url: 'https://a.example/1.mp4' } });
    await memory.app.reconcileVideo('lecture');
    await finish();
    const { locatorId } = await stored();
    const assetOf = () => memory.state.locators.get(locatorId)?.assetName;
    expect(assetOf()).toBe(`${await base()}-1`);
    await http.call('PATCH', '/videos/lecture', {
      body: { encoding: 'H264SingleBitrate720p', poster: false },
    });
    await http.call('POST', '/videos/lecture/encode');
    expect([assetOf(), (await get()).playback.status]).toEqual([`${await base()}-1`, 'onDemand']);
    await finish(2);
    await sweepOn(2);
    expect([assetOf(), await stateOf(), (await get()).poster]).toEqual([
      `${await base()}-2`,
      'published',
      null,
    ]);
    expect([...memory.state.assets.keys()]).toEqual([`${await base()}-2`]);
    expect([...memory.videos.state.jobs.values()].map(({ settings }) => settings.name)).toEqual([
      `${await base()}-2`,
    ]);
  });
});

describe('a protected video', () => {
  it('has its keys before it is published, and tokens that open them', async () => {
    await put({ source: { url: 'https://a.example/1.mp4' }, protection: 'aes' });
    await memory.app.reconcileVideo('lecture');
    const early = await http.call('POST', '/playback-tokens', { body: { video: '/api/v1/videos/lecture' } });
    expect([early.status, early.body.keys.length]).toEqual([200, 1]);
    await finish();
    const { locatorId, contentKeys } = await stored();
    expect(memory.state.locators.get(locatorId)).toMatchObject({
      keyPolicy: 'headend-aes',
      contentKeys: contentKeys.map(({ id, label }) => ({ id, label, value: expect.any(String) })),
      mediaId: 'lecture',
    });
    const video = await get();
    expect(video.playback).toMatchObject({
      hls: expect.stringContaining('encryption=cbc'),
      protection: { profile: 'aes', access: 'token', keyIds: contentKeys.map(({ id }) => id) },
    });
    const { body: token } = await http.call('POST', '/playback-tokens', {
      body: { video: video.href, lifetime: 'PT5M' },
    });
    expect(token).toMatchObject({
      program: null,
      video: video.href,
      testPage: expect.stringMatching(/#video=lecture&token=/),
      playback: { nativeHls: expect.stringContaining('/api/v1/playback/videos/lecture/hls?token=') },
    });
    memory.playlists.set(video.playback.hls, {
      kind: 'playlist',
      text: '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nQualityLevels(700)/Manifest(video,format=m3u8-aapl,encryption=cbc)\n',
      maxAgeSeconds: 5,
    });
    const native = await http.call('GET', token.playback.nativeHls);
    expect([native.status, native.body]).toEqual([
      200,
      expect.stringContaining('/api/v1/playback/videos/lecture/hls?playlist='),
    ]);
    const refused = await http.call('GET', '/playback/videos/lecture/hls?token=x');
    expect([refused.status, refused.body.code]).toEqual([401, 'playbackTokenInvalid']);
    const neither = await http.call('POST', '/playback-tokens', { body: {} });
    expect([neither.status, neither.body.errors[0].pointer]).toEqual([400, '/program']);
    const other = await put({ source: { url: 'https://a.example/1.mp4' }, protection: 'clear' });
    expect([other.status, other.body.code]).toEqual([409, 'immutableField']);
  });

  it('keeps its profile from being deleted, and follows its changes', async () => {
    const profile = { keys: { access: 'open' }, delivery: { hls: 'aes128', dash: 'off', smooth: 'off' } };
    await http.call('PUT', '/protection-profiles/mine', { body: profile });
    await put({ source: { url: 'https://a.example/1.mp4' }, protection: 'mine' });
    await memory.app.reconcileVideo('lecture');
    await finish();
    expect(await stateOf()).toBe('published');
    const used = await http.call('DELETE', '/protection-profiles/mine');
    expect([used.status, used.body.current]).toEqual([409, { usedBy: ['/api/v1/videos/lecture'] }]);
    const changed = await http.call('PUT', '/protection-profiles/mine', {
      body: { ...profile, delivery: { ...profile.delivery, dash: 'aes128' } },
    });
    expect([changed.status, changed.body.code]).toEqual([409, 'profilePublished']);
    await memory.app.reconcileProfile('mine');
    expect(memory.sent).toContain('video lecture');
    await http.call('DELETE', '/videos/lecture');
    await sweepOn(2);
    expect((await http.call('DELETE', '/protection-profiles/mine')).status).toBe(204);
  });
});

describe('deleting a video', () => {
  it('cancels what runs and removes all that was made for it', async () => {
    await put({ source: { upload: {} }, protection: 'aes', indexing: { language: 'en-US' } });
    await uploadUrl();
    await upload('a.mp4');
    await finish();
    await sweepOn(1);
    expect(await stateOf()).toBe('published');
    await http.call('POST', '/videos/lecture/encode');
    memory.videos.report(`${await base()}-2`, { encode: 5 });
    const keys = (await stored()).contentKeys.map(({ id }) => `content-key-${id}`);
    expect(await memory.app.secrets.get(keys[0] ?? '')).toBeDefined();
    const deleted = await http.call('DELETE', '/videos/lecture');
    expect(deleted.status).toBe(202);
    const gone = await put({ source: { upload: {} } });
    expect([gone.status, gone.body.code]).toEqual([409, 'videoDeleting']);
    await sweepOn(3);
    expect((await http.call('GET', '/videos/lecture')).status).toBe(404);
    expect({
      assets: [...memory.state.assets.keys()],
      locators: [...memory.state.locators.keys()],
      jobs: [...memory.videos.state.jobs.keys()],
      uploads: [...memory.stores.uploadRows.keys()],
      due: [...memory.stores.videoDueRows.keys()],
      key: await memory.app.secrets.get(keys[0] ?? ''),
    }).toEqual({ assets: [], locators: [], jobs: [], uploads: [], due: [], key: undefined });
    const operation = await http.call('GET', deleted.headers.get('operation-location') ?? '');
    expect(operation.body.status).toBe('Succeeded');
    // The name is free, and what comes under it is another video.
    expect((await put({ source: { upload: {} } })).status).toBe(201);
    const timeline = (await http.call('GET', '/videos/lecture/timeline')).body.items;
    expect(timeline.map(({ type }: { type: string }) => type)).toEqual(['video.created']);
  });
});

describe('what a deleted program leaves', () => {
  it('is a video with its recording, its addresses and its keys, closed until somebody opens it', async () => {
    await http.call('PUT', '/channels/arena', { body: {} });
    const made = await http.call('PUT', '/channels/arena/programs/final', {
      body: { protection: 'aes', labels: { tenant: 'north' } },
    });
    await http.call('POST', '/channels/arena/start');
    memory.state.sending = true;
    await sweepOn(2);
    await http.call('POST', '/channels/arena/programs/final/finish');
    await sweepOn(1);
    const before = await memory.app.programs.find('arena', 'final');
    const keys = before?.value.contentKeys ?? [];
    expect(keys).toHaveLength(1);
    await http.call('DELETE', '/channels/arena/programs/final');
    await sweepOn(1);
    expect((await http.call('GET', '/channels/arena/programs/final')).status).toBe(404);
    const video = await get('arena-final');
    expect(video).toMatchObject({
      state: 'ready',
      source: { program: { channel: 'arena', program: 'final' } },
      labels: { tenant: 'north' },
      playback: { status: 'notPublished', hls: made.body.playback.hls },
    });
    expect(await memory.app.secrets.get(`content-key-${keys[0]?.id}`)).toBeDefined();
    await http.call('POST', '/videos/arena-final/publish');
    expect(await stateOf('arena-final')).toBe('published');
    expect(memory.state.locators.get(before?.value.locatorId ?? '')).toMatchObject({
      assetName: 'arena-final',
      contentKeys: [{ id: keys[0]?.id }],
    });
    await http.call('POST', '/videos/arena-final/encode');
    await finish(1, {}, 'arena-final');
    await sweepOn(1);
    const assets = () => [...memory.state.assets.keys()];
    expect([memory.state.locators.get(before?.value.locatorId ?? '')?.assetName, assets()]).toEqual([
      `${await base('arena-final')}-1`,
      ['arena-final', `${await base('arena-final')}-1`],
    ]);
    await http.call('DELETE', '/videos/arena-final');
    await sweepOn(2);
    expect([assets(), await memory.app.secrets.get(`content-key-${keys[0]?.id}`)]).toEqual([[], undefined]);
  });
});

describe('an import', () => {
  const items = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      video: `film-${index}`,
      source: { url: `https://a.example/${index}.mp4?sig=s3cret` },
    }));

  it('works on a bounded number of videos at a time, and tells how each is', async () => {
    const made = await http.call('POST', '/imports', {
      body: { description: 'old films', defaults: { priority: 'low', poster: false }, items: items(30) },
    });
    expect([made.status, made.body.counts.pending]).toEqual([202, 30]);
    expect(JSON.stringify([...memory.stores.itemRows.values()])).not.toContain('s3cret');
    const { href } = made.body;
    const call = async () => (await http.call('GET', href.replace('/api/v1', ''))).body;
    await memory.app.reconcileImport(made.body.id);
    await sweepOn(1);
    expect((await call()).counts).toMatchObject({ pending: 10, running: 20 });
    expect(memory.videos.state.made).toHaveLength(20);
    const [job] = memory.videos.state.jobs.values();
    expect(job?.settings).toMatchObject({
      priority: 'low',
      source: { url: expect.stringContaining('s3cret') },
    });
    memory.videos.fail(`${await base('film-0')}-1`, { mayRetry: false });
    for (const { video } of items(20).slice(1)) memory.videos.finish(`${await base(video)}-1`);
    await sweepOn(4);
    for (const { video } of items(30).slice(20)) memory.videos.finish(`${await base(video)}-1`);
    await sweepOn(4);
    const done = await call();
    expect(done).toMatchObject({
      state: 'finished',
      counts: { total: 30, pending: 0, running: 0, succeeded: 29, failed: 1, canceled: 0 },
    });
    expect(done.items[0]).toEqual({
      video: 'film-0',
      href: '/api/v1/videos/film-0',
      state: 'failed',
      error: { code: 'ContentMalformed', reason: 'Something is wrong with it.' },
    });
    const listed = await http.call('GET', '/imports');
    expect(listed.body.items.map(({ description }: { description: string }) => description)).toEqual([
      'old films',
    ]);
    expect((await http.call('DELETE', href.replace('/api/v1', ''))).status).toBe(204);
    await sweepOn(1);
    expect([...memory.stores.itemRows.keys()]).toEqual([]);
    expect((await http.call('GET', '/videos/film-1')).status).toBe(200);
  });

  it('begins no more when it is canceled, and leaves no secret of what it did not begin', async () => {
    const { body } = await http.call('POST', '/imports', { body: { items: items(25) } });
    await memory.app.reconcileImport(body.id);
    await http.call('POST', `/imports/${body.id}/cancel`);
    await sweepOn(1);
    const canceled = (await http.call('GET', `/imports/${body.id}`)).body;
    expect([canceled.state, canceled.counts.canceled]).toEqual(['canceling', 5]);
    expect([...memory.secrets.kept.keys()].filter((name) => name.startsWith('source-'))).toHaveLength(20);
  });

  it('is refused as a whole, with where each item is wrong', async () => {
    const { status, body } = await http.call('POST', '/imports', {
      body: {
        defaults: { source: { upload: {} } },
        items: [{ video: 'a' }, { video: 'b', encoding: 'best' }, { video: 'C' }],
      },
    });
    expect([status, body.errors.map(({ pointer }: { pointer: string }) => pointer)]).toEqual([
      400,
      ['/items/1/encoding', '/items/2/video'],
    ]);
    const without = await http.call('POST', '/imports', {
      body: { items: [{ video: 'a' }, { video: 'b' }] },
    });
    expect(without.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/items/0/source',
      '/items/1/source',
    ]);
    expect((await http.call('GET', '/imports')).body.items).toEqual([]);
  });
});
