import { beforeEach, describe, expect, it } from '@jest/globals';
import { LiveEventEvent } from '../../src/lib/contracts/live-event-event.ts';
import { onLiveEvent } from '../../src/lib/events/on-live-event.ts';
import { openHttpApp } from '../support/http-app.ts';
import { openMemoryApp } from '../support/memory-app.ts';

let world: ReturnType<typeof openMemoryApp>;
let http: ReturnType<typeof openHttpApp>;

beforeEach(() => {
  world = openMemoryApp();
  http = openHttpApp(world.app);
});

const CHANNEL = '/channels/arena';
const PROGRAM = `${CHANNEL}/programs/final`;

async function expectStatus(status: number, ...call: Parameters<typeof http.call>) {
  const answer = await http.call(...call);
  expect([answer.status, answer.body.code]).toEqual([status, answer.body.code]);
  return answer;
}

/** A channel that is on air with one program that records. */
async function goOnAir() {
  await expectStatus(201, 'PUT', CHANNEL, { body: {} });
  await expectStatus(201, 'PUT', PROGRAM, { body: {} });
  await expectStatus(202, 'POST', `${CHANNEL}/start`);
  world.state.sending = true;
  await tell('LiveEventEncoderConnected');
}

async function tell(type: string, data: object = {}, namespace = 'Microsoft.Media') {
  const event = {
    id: crypto.randomUUID(),
    subject: 'liveEvent/arena',
    eventType: `${namespace}.${type}`,
    eventTime: new Date(world.app.clock.now()).toISOString(),
    data,
  };
  expect(LiveEventEvent.safeParse(event).success).toBe(true);
  await onLiveEvent({ ...event, topic: '', dataVersion: '1', metadataVersion: '1' } as never, world.app);
}

describe('bad input is a problem that names the field', () => {
  it.each([
    ['a channel name with capitals', 'PUT', '/channels/Arena', {}, 'invalidParameter', [{ pointer: '' }]],
    [
      'a channel name that is too long',
      'PUT',
      `/channels/${'a'.repeat(33)}`,
      {},
      'invalidParameter',
      [{ pointer: '' }],
    ],
    [
      'a program name with a dot',
      'PUT',
      `${CHANNEL}/programs/a.b`,
      {},
      'invalidParameter',
      [{ pointer: '' }],
    ],
    [
      'unknown fields',
      'PUT',
      CHANNEL,
      { colour: 1, 'a/b~c': 2 },
      'invalidBody',
      [{ pointer: '/colour' }, { pointer: '/a~1b~0c' }],
    ],
    [
      'an unknown field inside',
      'PUT',
      PROGRAM,
      { publish: { when: 'manual', who: 'me' } },
      'invalidBody',
      [{ pointer: '/publish/who' }],
    ],
    [
      'a duration below its range',
      'PUT',
      CHANNEL,
      { autoStop: 'PT9S' },
      'invalidBody',
      [{ pointer: '/autoStop' }],
    ],
    [
      'a duration above its range',
      'PUT',
      CHANNEL,
      { autoStop: 'P8D' },
      'invalidBody',
      [{ pointer: '/autoStop' }],
    ],
    [
      'no duration',
      'PUT',
      CHANNEL,
      { autoStop: 'P', keyFrameInterval: '2' },
      'invalidBody',
      [{ pointer: '/keyFrameInterval' }, { pointer: '/autoStop' }],
    ],
    [
      'a rewind beyond the longest recording',
      'PUT',
      PROGRAM,
      { rewind: 'PT25H1S' },
      'invalidBody',
      [{ pointer: '/rewind' }],
    ],
    [
      'a start that is no time',
      'PUT',
      PROGRAM,
      { start: 'tomorrow' },
      'invalidBody',
      [{ pointer: '/start' }],
    ],
    [
      'an address that is none',
      'PUT',
      CHANNEL,
      { allowFrom: ['10.0.0.0/8', 'home'] },
      'invalidBody',
      [{ pointer: '/allowFrom/1' }],
    ],
    ['another encoding', 'PUT', CHANNEL, { encoding: 'standard' }, 'invalidBody', [{ pointer: '/encoding' }]],
    [
      'too many labels',
      'PUT',
      CHANNEL,
      { labels: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, ''])) },
      'invalidBody',
      [{ pointer: '/labels' }],
    ],
    ['a list as a body', 'PUT', CHANNEL, [], 'invalidBody', [{ pointer: '' }]],
    ['broken JSON', 'PUT', CHANNEL, '{"labels":', 'invalidBody', [{ pointer: '' }]],
    [
      'a protection there is not',
      'PUT',
      PROGRAM,
      { protection: 'rental' },
      'protectionNotAvailable',
      [{ pointer: '/protection' }],
    ],
    [
      'an operation id that is none',
      'GET',
      '/operations/1',
      undefined,
      'invalidParameter',
      [{ pointer: '' }],
    ],
  ] as const)('%s', async (_name, method, path, body, code, errors) => {
    await http.call('PUT', CHANNEL, { body: {} });
    const answer = await http.call(method, path, body === undefined ? {} : { body });
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toMatchObject({
      type: `urn:headend:error:${code}`,
      status: 400,
      code,
      retryable: false,
      traceId: '0af7651916cd43dd8448eb211c80319c',
    });
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => ({ pointer }))).toEqual(errors);
    expect(answer.status).toBe(400);
  });

  it.each([
    ['?limit=0', 'limit'],
    ['?limit=201', 'limit'],
    ['?limit=many', 'limit'],
    ['?label=tenant', 'label'],
  ])('a list asked for with %s', async (query, name) => {
    const { body } = await expectStatus(400, 'GET', `/channels${query}`);
    expect([body.code, body.detail]).toEqual(['invalidParameter', expect.stringContaining(`?${name}`)]);
  });

  it('a body over the limit, told or found out, and a chunked body that the host has emptied', async () => {
    const body = JSON.stringify({ description: 'x'.repeat(70_000) });
    const told = { body: '{}', headers: { 'content-length': '70000' } };
    expect((await http.call('PUT', CHANNEL, told)).body.code).toBe('bodyTooLarge');
    expect((await http.call('PUT', CHANNEL, { body })).body.code).toBe('bodyTooLarge');
    const chunked = await http.call('PUT', CHANNEL, { headers: { 'transfer-encoding': 'chunked' } });
    expect([chunked.status, chunked.body.code]).toEqual([411, 'lengthRequired']);
    expect((await http.call('GET', CHANNEL)).status).toBe(404);
  });
});

describe('what is not there, not so, or not the same any more', () => {
  it.each([
    ['GET', '/channels/none', 'channelNotFound'],
    ['PATCH', '/channels/none', 'channelNotFound'],
    ['DELETE', '/channels/none', 'channelNotFound'],
    ['POST', '/channels/none/start', 'channelNotFound'],
    ['GET', '/channels/none/timeline', 'channelNotFound'],
    ['GET', '/channels/none/programs', 'channelNotFound'],
    ['PUT', '/channels/none/programs/a', 'channelNotFound'],
    ['GET', `${CHANNEL}/programs/none`, 'programNotFound'],
    ['POST', `${CHANNEL}/programs/none/publish`, 'programNotFound'],
    ['GET', '/operations/op_00000000000000000000000000000000', 'operationNotFound'],
    ['GET', '/streaming-endpoints/none', 'streamingEndpointNotFound'],
  ])('%s %s is %s', async (method, path, code) => {
    await http.call('PUT', CHANNEL, { body: {} });
    const { status, body } = await http.call(method, path);
    expect([status, body.code]).toEqual([404, code]);
  });

  it('is refused while the channel is on air, with its current state', async () => {
    await goOnAir();
    const refused = async (...call: Parameters<typeof http.call>) => {
      const { body } = await expectStatus(409, ...call);
      return [body.code, body.current];
    };
    const current = { state: 'running', desired: 'running' };
    expect(await refused('POST', `${CHANNEL}/stop`)).toEqual([
      'channelRecording',
      { ...current, recording: ['final'] },
    ]);
    expect(await refused('POST', `${CHANNEL}/reset`, { body: {} })).toEqual([
      'channelRecording',
      { ...current, recording: ['final'] },
    ]);
    expect(await refused('DELETE', CHANNEL)).toEqual(['channelNotStopped', current]);
    expect((await refused('POST', `${CHANNEL}/standby`))[0]).toBe('channelRecording');
    expect(await refused('PATCH', CHANNEL, { body: { ingest: { protocol: 'smooth' } } })).toEqual([
      'immutableField',
      { ingest: { protocol: 'rtmp', hostname: 'static', hostnamePrefix: null } },
    ]);
    expect(await refused('DELETE', PROGRAM)).toEqual(['programNotFinished', { state: 'recording' }]);
    expect(await refused('PATCH', PROGRAM, { body: { keep: 'PT1H' } })).toEqual([
      'immutableField',
      { rewind: null, keep: 'all' },
    ]);
    expect(await refused('PATCH', CHANNEL, { body: { keyFrameInterval: 'PT2S' } })).toEqual([
      'immutableField',
      { keyFrameInterval: null },
    ]);
    await expectStatus(202, 'POST', `${PROGRAM}/finish`);
    expect(await refused('POST', `${PROGRAM}/start`)).toEqual(['programFinished', { state: 'finished' }]);
    await expectStatus(202, 'POST', `${CHANNEL}/stop`);
    expect(await refused('POST', `${CHANNEL}/reset`)).toEqual([
      'channelNotRunning',
      { state: 'stopped', desired: 'stopped' },
    ]);
    expect((await refused('DELETE', CHANNEL))[0]).toBe('channelHasPrograms');
  });

  it('is a 412 when the ETag is not that of what is stored, and `*` is any but none', async () => {
    await expectStatus(412, 'PUT', CHANNEL, { body: {}, headers: { 'if-match': '*' } });
    const { headers } = await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    const etag = headers.get('etag') ?? '';
    const same = await expectStatus(200, 'PUT', CHANNEL, { body: {}, headers: { 'if-match': etag } });
    expect(same.headers.get('etag')).toBe(etag);
    const patched = await expectStatus(200, 'PATCH', CHANNEL, {
      body: { labels: { tenant: 'north' } },
      headers: { 'if-match': `"other", ${etag}` },
    });
    expect(patched.headers.get('etag')).not.toBe(etag);
    for (const [method, path] of [
      ['PATCH', CHANNEL],
      ['PUT', CHANNEL],
      ['POST', `${CHANNEL}/start`],
      ['DELETE', CHANNEL],
    ] as const)
      await expectStatus(412, method, path, { body: {}, headers: { 'if-match': etag } });
    await expectStatus(200, 'PATCH', CHANNEL, { body: {}, headers: { 'if-match': '*' } });
  });

  it('is one program too many', async () => {
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    for (const name of ['a', 'b', 'c'])
      await expectStatus(201, 'PUT', `${CHANNEL}/programs/${name}`, { body: {} });
    const { body } = await expectStatus(409, 'PUT', PROGRAM, { body: {} });
    expect([body.code, body.current]).toEqual(['tooManyPrograms', { recording: ['a', 'b', 'c'] }]);
    await expectStatus(201, 'PUT', PROGRAM, { body: { start: 'manual' } });
    expect((await expectStatus(409, 'POST', `${PROGRAM}/start`)).body.code).toBe('tooManyPrograms');
  });
});

describe('lists', () => {
  it('come by pages whose links go on, filtered by state and label, without the key', async () => {
    for (const [index, name] of ['e', 'd', 'c', 'b', 'a'].entries())
      await expectStatus(201, 'PUT', `/channels/${name}`, {
        body: { labels: { half: index < 3 ? 'late' : 'early' } },
      });
    await expectStatus(202, 'POST', '/channels/b/start');
    const names: string[][] = [];
    let next: string | undefined = 'http://headend.example/api/v1/channels?limit=2&code=secret';
    while (next !== undefined) {
      const { body } = await expectStatus(200, 'GET', next);
      names.push(body.items.map(({ name }: { name: string }) => name));
      next = body.next;
      expect(next ?? '').not.toContain('secret');
    }
    expect(names).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    const found = async (query: string) =>
      (await expectStatus(200, 'GET', `/channels?${query}`)).body.items.map(
        ({ name }: { name: string }) => name,
      );
    expect(await found('state=running')).toEqual(['b']);
    expect(await found('label=half:late&limit=2')).toEqual(['c', 'd']);
    expect(await found('label=half:late&after=d')).toEqual(['e']);
    expect(await found('label=half:never')).toEqual([]);
  });
});

describe('operations', () => {
  it('wait when asked to, and the same call again is the same operation', async () => {
    world = openMemoryApp({ slow: true });
    http = openHttpApp(world.app);
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    const first = await expectStatus(202, 'POST', `${CHANNEL}/start`);
    expect(first.headers.get('operation-location')).toBe(
      `http://headend.example/api/v1/operations/${first.body.id}`,
    );
    expect([first.body.status, first.headers.get('retry-after')]).toEqual(['Running', '1']);
    const waiting = http.call('POST', `${CHANNEL}/start`, { headers: { prefer: 'respond-async, wait=5' } });
    const timer = setInterval(world.settle, 50);
    const done = await waiting;
    clearInterval(timer);
    expect([done.status, done.body.id, done.body.status]).toEqual([200, first.body.id, 'Succeeded']);
    expect(done.headers.get('preference-applied')).toBe('wait=5');
  });

  it('are superseded by the opposite', async () => {
    world = openMemoryApp({ slow: true });
    http = openHttpApp(world.app);
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    const { body } = await expectStatus(202, 'POST', `${CHANNEL}/start`);
    await expectStatus(202, 'POST', `${CHANNEL}/stop`);
    const after = (await expectStatus(200, 'GET', `/operations/${body.id}`)).body;
    expect([after.status, after.error.code]).toEqual(['Canceled', 'superseded']);
  });
});

describe('a queue that cannot be reached', () => {
  it('delays what PUT and PATCH ask for, and the sweep does it', async () => {
    world.breakQueue();
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    await expectStatus(201, 'PUT', PROGRAM, { body: {} });
    await expectStatus(200, 'PATCH', CHANNEL, { body: { description: 'Hall 1' } });
    await world.sweep();
    expect(world.state.liveEvents.get('arena')?.description).toBe('Hall 1');
    expect(world.state.outputs.get('arena')?.map(({ name }) => name)).toEqual(['final']);
  });
});

describe('a channel', () => {
  const state = async () => {
    const { body } = await http.call('GET', CHANNEL);
    return [body.state, body.desired, body.health.code];
  };

  it('stands by, starts from there, and goes back', async () => {
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    const { body } = await expectStatus(202, 'POST', `${CHANNEL}/standby`);
    expect([body.kind, body.status]).toEqual(['channel.standby', 'Succeeded']);
    expect(await state()).toEqual(['standby', 'standby', 'STANDBY']);
    expect((await http.call('POST', `${CHANNEL}/standby`)).body.id).toBe(body.id);
    expect((await http.call('DELETE', CHANNEL)).body.code).toBe('channelNotStopped');
    await expectStatus(202, 'POST', `${CHANNEL}/start`);
    expect(await state()).toEqual(['running', 'running', 'WAITING_FOR_ENCODER']);
    await expectStatus(202, 'POST', `${CHANNEL}/standby`);
    expect(await state()).toEqual(['standby', 'standby', 'STANDBY']);
    await expectStatus(202, 'POST', `${CHANNEL}/stop`);
    expect(await state()).toEqual(['stopped', 'stopped', 'STOPPED']);
  });

  it('that stops is no longer about to stand by', async () => {
    world = openMemoryApp({ slow: true });
    http = openHttpApp(world.app);
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    const { body } = await expectStatus(202, 'POST', `${CHANNEL}/standby`);
    expect(body).toMatchObject({ status: 'Running', step: 'standing by' });
    await expectStatus(202, 'POST', `${CHANNEL}/stop`);
    expect((await http.call('GET', `/operations/${body.id}`)).body.status).toBe('Canceled');
  });

  it('changes its key while it runs, and the old one works for a while', async () => {
    await goOnAir();
    const before = (await http.call('GET', `${CHANNEL}/stream-key`)).body;
    const rotated = await expectStatus(200, 'POST', `${CHANNEL}/stream-key/rotate`, {
      body: { overlap: 'PT5M' },
    });
    expect(rotated.body.streamKey).not.toBe(before.streamKey);
    const leftMs = Date.parse(rotated.body.previousKeyValidUntil) - world.app.clock.now();
    expect(leftMs).toBeGreaterThan(290_000);
    expect(leftMs).toBeLessThanOrEqual(300_000);
    expect(world.state.overlap).toMatch(/^PT(5M|4M)/);
    expect(world.state.liveEvents.get('arena')?.accessToken).toBe(rotated.body.streamKey.split('/')[0]);
    world.advance(300_000);
    const later = (await http.call('GET', `${CHANNEL}/stream-key`)).body;
    expect([later.streamKey, later.previousKeyValidUntil]).toEqual([rotated.body.streamKey, null]);
    const byDefault = (await http.call('POST', `${CHANNEL}/stream-key/rotate`)).body;
    expect(Date.parse(byDefault.previousKeyValidUntil) - world.app.clock.now()).toBeGreaterThan(590_000);
    for (const overlap of ['PT24H1S', 'P2D', '10 minutes'])
      await expectStatus(400, 'POST', `${CHANNEL}/stream-key/rotate`, { body: { overlap } });
  });

  it('that is stopped has a new key at once, unless an overlap is asked for', async () => {
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    expect((await http.call('POST', `${CHANNEL}/stream-key/rotate`)).body.previousKeyValidUntil).toBeNull();
    const { body } = await http.call('POST', `${CHANNEL}/stream-key/rotate`, { body: { overlap: 'PT1H' } });
    expect(body.previousKeyValidUntil).not.toBeNull();
  });

  it('goes on with the rest while the media service refuses to change the key of what runs', async () => {
    await goOnAir();
    world.state.refused.add('update');
    await http.call('POST', `${CHANNEL}/stream-key/rotate`);
    expect((await http.call('GET', CHANNEL)).body.failure).toMatchObject({ code: 'BadRequest' });
    const { body } = await expectStatus(202, 'POST', `${PROGRAM}/finish`);
    expect(body.status).toBe('Succeeded');
  });

  it('fails the operation that is refused, and no other', async () => {
    world = openMemoryApp({ slow: true });
    http = openHttpApp(world.app);
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    await expectStatus(201, 'PUT', PROGRAM, { body: { start: 'manual' } });
    world.state.refused.add('createOutput');
    const start = (await http.call('POST', `${CHANNEL}/start`)).body;
    const program = (await http.call('POST', `${PROGRAM}/start`)).body;
    for (let round = 0; round < 10; round += 1) {
      world.settle();
      world.advance(61_000);
      await world.sweep();
    }
    expect((await http.call('GET', `/operations/${program.id}`)).body).toMatchObject({
      status: 'Failed',
      error: { code: 'BadRequest' },
    });
    const after = (await http.call('GET', `/operations/${start.id}`)).body;
    expect([after.status, (await state())[0]]).toEqual(['Succeeded', 'running']);
    expect((await http.call('GET', PROGRAM)).body.failure).toMatchObject({ code: 'BadRequest' });
    expect((await http.call('GET', CHANNEL)).body.failure).toBeNull();
  });

  it('of the basic kind records one program at a time, of at most eight hours', async () => {
    await expectStatus(201, 'PUT', CHANNEL, { body: { encoding: 'passthroughBasic' } });
    const { body } = await expectStatus(400, 'PUT', PROGRAM, { body: { keep: 'PT9H' } });
    expect(body.errors[0].pointer).toBe('/keep');
    await expectStatus(201, 'PUT', PROGRAM, { body: {} });
    expect((await http.call('PUT', `${CHANNEL}/programs/other`, { body: {} })).body.code).toBe(
      'tooManyPrograms',
    );
  });

  it('lists its servers, the safe ones first, without the key', async () => {
    world.state.ingestUrls = (token: string) =>
      ['rtmp://h:5/live/', 'rtmp://h:6/live/', 'rtmps://h:7/live/', 'rtmps://h:8/live/'].map(
        (base) => `${base}${token}`,
      );
    await expectStatus(201, 'PUT', CHANNEL, { body: {} });
    await expectStatus(202, 'POST', `${CHANNEL}/start`);
    expect((await http.call('GET', CHANNEL)).body.ingest.servers).toEqual([
      { role: 'primary', protocol: 'rtmps', url: 'rtmps://h:7/live' },
      { role: 'backup', protocol: 'rtmps', url: 'rtmps://h:8/live' },
      { role: 'primary', protocol: 'rtmp', url: 'rtmp://h:5/live' },
      { role: 'backup', protocol: 'rtmp', url: 'rtmp://h:6/live' },
    ]);
  });

  it('that takes fragmented MP4 says where to, with the key only where it is asked for', async () => {
    world.state.ingestUrls = (token: string) => [`http://h:8889/${token}/ingest.isml`];
    await expectStatus(201, 'PUT', CHANNEL, { body: { ingest: { protocol: 'smooth' } } });
    await expectStatus(202, 'POST', `${CHANNEL}/start`);
    const { body } = await http.call('GET', CHANNEL);
    expect(body.ingest).toMatchObject({
      protocol: 'smooth',
      servers: [{ role: 'primary', protocol: 'smooth', url: 'http://h:8889' }],
    });
    const { streamKey, servers } = (await http.call('GET', `${CHANNEL}/stream-key`)).body;
    expect(servers[0].url).toBe(`http://h:8889/${streamKey}/ingest.isml`);
  });
});

describe('the channel’s health', () => {
  const health = async () => {
    const { body } = await http.call('GET', CHANNEL);
    return [body.health.level, body.health.code, body.ingest.sending];
  };

  it('says that nothing arrives when the encoder leaves a recording, and that all is well when it is back', async () => {
    await goOnAir();
    expect(await health()).toEqual(['ok', 'HEALTHY', true]);
    // The preview of what was sent is still there: only its media has stopped growing.
    world.state.growing = false;
    await tell('LiveEventEncoderDisconnected', { resultCode: 'MPE_CLIENT_DISCONNECTED' });
    expect(await health()).toEqual(['warning', 'NO_INPUT', false]);
    world.advance(31_000);
    await world.sweep();
    expect(await health()).toEqual(['warning', 'NO_INPUT', false]);
    world.state.growing = true;
    await tell('LiveEventEncoderConnected');
    expect(await health()).toEqual(['ok', 'HEALTHY', true]);
  });

  it('is well as long as one of several encoders is there', async () => {
    await goOnAir();
    const encoder = (encoderPort: string) => ({ encoderIp: '203.0.113.7', encoderPort });
    await tell('LiveEventEncoderConnected', encoder('1'));
    await tell('LiveEventEncoderConnected', encoder('2'));
    await tell('LiveEventEncoderDisconnected', {});
    await tell('LiveEventEncoderDisconnected', encoder('1'));
    expect(await health()).toEqual(['ok', 'HEALTHY', true]);
    await tell('LiveEventEncoderDisconnected', encoder('2'));
    expect(await health()).toEqual(['warning', 'NO_INPUT', false]);
    // What comes late about a connection that is over changes nothing.
    await tell('LiveEventEncoderDisconnected', encoder('1'));
    expect(await health()).toEqual(['warning', 'NO_INPUT', false]);
    await tell('LiveEventEncoderConnected', encoder('3'));
    expect(await health()).toEqual(['ok', 'HEALTHY', true]);
  });

  it('does not need the event of the return, nor believes one that was wrong', async () => {
    await goOnAir();
    await tell('LiveEventEncoderDisconnected');
    expect(await health()).toEqual(['warning', 'NO_INPUT', false]);
    for (let round = 0; round < 3; round += 1) {
      world.advance(3_100);
      await world.sweep();
    }
    expect(await health()).toEqual(['ok', 'HEALTHY', true]);
  });

  it('does not need the event of the loss', async () => {
    await goOnAir();
    world.state.growing = false;
    for (let round = 0; round < 4; round += 1) {
      world.advance(31_000);
      await world.sweep();
    }
    expect(await health()).toEqual(['warning', 'NO_INPUT', false]);
  });

  it('waits for the encoder when nothing records', async () => {
    await goOnAir();
    await expectStatus(202, 'POST', `${PROGRAM}/finish`);
    await tell('LiveEventEncoderDisconnected');
    expect(await health()).toEqual(['info', 'WAITING_FOR_ENCODER', false]);
    await expectStatus(202, 'POST', `${CHANNEL}/stop`);
    expect(await health()).toEqual(['info', 'STOPPED', false]);
  });

  it.each([
    ['KEYFRAMES_TOO_FAR_APART', 'KEYFRAMES_TOO_FAR_APART', /Keyframe Interval to 2 seconds/],
    ['NO_INPUT', 'NO_INPUT', /Nothing arrives from the encoder/],
    ['BITRATE_UNEXPECTED', 'BITRATE_UNSTEADY', /upload speed/],
    ['TIMESTAMPS_NOT_INCREASING', 'TIMESTAMPS_GO_BACK', /Restart the encoder/],
    ['NO_AUDIO', 'NO_AUDIO', /audio source/],
    ['NO_VIDEO', 'NO_VIDEO', /video source/],
    ['STORAGE_SLOW', 'STORAGE_SLOW', /storage/],
    ['TRACKS_OUT_OF_SYNC', 'TRACKS_OUT_OF_SYNC', /one clock/],
    ['VIDEO_QUALITIES_OUT_OF_SYNC', 'BITRATES_OUT_OF_SYNC', /one encoder/],
    ['INGEST_LAGGING', 'UPLOAD_TOO_SLOW', /Lower the bitrate/],
    ['KEYFRAMES_NOT_ALIGNED', 'KEYFRAMES_NOT_ALIGNED', /same Keyframe Interval/],
    ['TIMESTAMPS_OVERLAP', 'TIMESTAMPS_OVERLAP', /one encoder only/],
    ['GAPS_IN_INPUT', 'GAPS_IN_INPUT', /network/],
    ['Some_New<b>Code', 'INGEST_PROBLEM', /\(Some_NewbCode\)/],
  ])('tells %s until the input is well again', async (reason, code, sentence) => {
    await goOnAir();
    await tell('LiveEventHealthChanged', { health: 'degraded', reasons: [reason] }, 'Headend.Media');
    world.advance(120_000);
    await world.sweep();
    const { body } = await http.call('GET', CHANNEL);
    expect([body.health.level, body.health.code]).toEqual(['warning', code]);
    expect(body.health.message).toMatch(sentence);
    await tell('LiveEventHealthChanged', { health: 'good', reasons: [] }, 'Headend.Media');
    expect(await health()).toEqual(['ok', 'HEALTHY', true]);
  });

  it('tells why an encoder was dropped, and lets nothing fleeting hide what lasts', async () => {
    await goOnAir();
    await tell('LiveEventEncoderDisconnected', { resultCode: 'MPE_INGEST_FRAMERATE_EXCEEDED' });
    expect(await health()).toEqual(['error', 'FRAME_RATE_TOO_HIGH', false]);
    await tell('LiveEventEncoderConnected');
    await tell('LiveEventHealthChanged', { health: 'degraded', reasons: ['NO_AUDIO'] }, 'Headend.Media');
    const dropped = { resultCode: 'FragmentDrop_OverlapTimestamp' };
    await tell('LiveEventIncomingDataChunkDropped', dropped);
    expect(await health()).toEqual(['warning', 'TIMESTAMPS_OVERLAP', true]);
    world.advance(61_000);
    await world.sweep();
    expect(await health()).toEqual(['warning', 'NO_AUDIO', true]);
    const good = { health: 'good', reasons: ['BACKUP_ENCODER_ACTIVE'] };
    await tell('LiveEventHealthChanged', good, 'Headend.Media');
    expect(await health()).toEqual(['info', 'BACKUP_IN_USE', true]);
  });

  it('takes no note of a heartbeat of something healthy', async () => {
    await goOnAir();
    const before = (await http.call('GET', `${CHANNEL}/timeline`)).body;
    await tell('LiveEventChannelArchiveHeartbeat', { latencyResultCode: 'S_OK', channelLatencyMs: '10' });
    await tell('LiveEventIngestHeartbeat', { healthy: true, incomingBitrate: 1 });
    expect((await http.call('GET', `${CHANNEL}/timeline`)).body).toEqual(before);
    expect(await health()).toEqual(['ok', 'HEALTHY', true]);
  });

  it('forgets what heartbeats complained of and do not repeat', async () => {
    await goOnAir();
    const heartbeat = { healthy: false, discontinuityCount: 2, incomingBitrate: 1 };
    await tell('LiveEventIngestHeartbeat', heartbeat);
    expect(await health()).toEqual(['warning', 'GAPS_IN_INPUT', true]);
    world.advance(61_000);
    await world.sweep();
    expect(await health()).toEqual(['ok', 'HEALTHY', true]);
  });
});

describe('the timeline', () => {
  it('tells encoder, policies and publishing, once each, with the milliseconds they took', async () => {
    await goOnAir();
    for (let round = 0; round < 3; round += 1) {
      world.advance(31_000);
      await world.sweep();
    }
    const { body } = await expectStatus(200, 'GET', `${CHANNEL}/timeline`);
    const told: { type: string; program: string; milliseconds: number | null }[] = body.items;
    const steps = [
      'KeyPolicyReady',
      'DeliveryPolicyReady',
      'Microsoft.Media.LiveEventEncoderConnected',
      'Recording',
      'Published',
    ];
    const found = told.filter(({ type }) => steps.includes(type)).toReversed();
    expect(found.map(({ type }) => type).sort()).toEqual(steps.toSorted());
    // What happened in one millisecond has no order but among our own steps.
    const ours = found.map(({ type }) => type).filter((type) => !type.startsWith('Microsoft.'));
    expect(ours.slice(0, 2)).toEqual(steps.slice(0, 2));
    for (const { milliseconds } of found) {
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      expect(milliseconds).toBeLessThan(10_000);
    }
    const conditions = (await http.call('GET', PROGRAM)).body.conditions;
    expect(conditions.map(({ type, status }: { type: string; status: boolean }) => [type, status])).toEqual(
      expect.arrayContaining([
        ['Published', true],
        ['KeyPolicyReady', true],
        ['DeliveryPolicyReady', true],
      ]),
    );
  });

  it('tells that a channel stopped by itself, and its recording is finished', async () => {
    await goOnAir();
    world.state.growing = false;
    for (let round = 0; round < 70; round += 1) {
      world.advance(31_000);
      await world.sweep();
    }
    expect((await http.call('GET', CHANNEL)).body).toMatchObject({ state: 'stopped', desired: 'stopped' });
    expect((await http.call('GET', PROGRAM)).body).toMatchObject({
      state: 'finished',
      playback: { status: 'onDemand' },
    });
    const { body } = await http.call('GET', `${CHANNEL}/timeline?limit=200`);
    expect(body.items.filter(({ type }: { type: string }) => type === 'channel.autoStop')).toHaveLength(1);
  });
});

describe('secrets', () => {
  it('are only in the answers made for them', async () => {
    await goOnAir();
    const key = (await http.call('GET', `${CHANNEL}/stream-key`)).body.streamKey.replace('/main', '');
    expect(key).toMatch(/^[0-9a-f]{32}$/);
    for (const path of ['/channels', CHANNEL, PROGRAM, `${CHANNEL}/programs`, `${CHANNEL}/timeline`])
      expect(JSON.stringify((await http.call('GET', path)).body)).not.toContain(key);
  });
});
