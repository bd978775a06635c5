import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Block, blockListXml, planBlocks, readBlockList } from '../../src/block-plan.ts';
import { BlockUpload, type UploadProgress } from '../../src/block-upload.ts';
import { chooseTiles, readTiles } from '../../src/storyboard.ts';
import { durationOf, fileNameOf, videoBody, videoNameOf } from '../../src/video-form.ts';
import { bytesText, videoModelOf } from '../../src/video-model.ts';

const LIMITS = { blocksMax: 50_000, blockBytesMax: 100 * 1024 * 1024 };

describe('planBlocks', () => {
  const file = fc.record({
    name: fc.string({ maxLength: 40 }),
    size: fc.integer({ min: 1, max: 20 * 1024 ** 3 }),
    lastModified: fc.nat(),
  });

  it('cuts a file into blocks without a gap, within the limits, the same each time', () => {
    fc.assert(
      fc.property(file, (given) => {
        const blocks = planBlocks(given, LIMITS);
        expect(blocks.length).toBeLessThanOrEqual(LIMITS.blocksMax);
        let at = 0;
        for (const { start, end } of blocks) {
          if (start !== at || end <= start || end - start > LIMITS.blockBytesMax) throw new Error('a gap');
          at = end;
        }
        expect(at).toBe(given.size);
        expect(new Set(blocks.map(({ id }) => id)).size).toBe(blocks.length);
        expect(new Set(blocks.map(({ id }) => id.length)).size).toBe(1);
        expect(planBlocks(given, LIMITS)).toEqual(blocks);
      }),
      { numRuns: 25 },
    );
  });

  it('gives other ids to another file, and refuses what is too large', () => {
    const given = { name: 'a.mp4', size: 5_000_000, lastModified: 1 };
    const [one] = planBlocks(given, LIMITS);
    expect(planBlocks({ ...given, lastModified: 2 }, LIMITS)[0]?.id).not.toBe(one?.id);
    expect(() => planBlocks({ ...given, size: 1e12 }, { blocksMax: 10, blockBytesMax: 1e6 })).toThrow(
      /too large/,
    );
  });

  it('names its blocks as storage does', () => {
    const blocks = planBlocks({ name: 'a', size: 600_000, lastModified: 0 }, LIMITS);
    expect(blockListXml(blocks)).toMatch(/^<\?xml.*<BlockList>(<Latest>[\w+/=]+<\/Latest>){3}<\/BlockList>$/);
    const answer = `<?xml version="1.0"?><BlockList><UncommittedBlocks>${blocks
      .map(({ id, start, end }) => `<Block>\n<Name>${id}</Name>\n<Size>${end - start}</Size></Block>`)
      .join('')}</UncommittedBlocks></BlockList>`;
    expect([...readBlockList(answer)]).toEqual(blocks.map(({ id, start, end }: Block) => [id, end - start]));
  });
});

/** Storage as far as blocks go, with faults that a test asks for. */
class BlockStorage {
  readonly blocks = new Map<string, Uint8Array>();
  committed: string | undefined;
  puts = 0;
  fault: (method: string) => number | 'reset' | undefined = () => undefined;

  async answer(address: string, { method = 'GET', body, signal }: RequestInit): Promise<Response> {
    const query = new URL(address).searchParams;
    const bytes = new Uint8Array(await new Response(body ?? null).arrayBuffer());
    signal?.throwIfAborted();
    const fault = this.fault(method);
    if (fault === 'reset') throw new TypeError('fetch failed');
    if (fault !== undefined)
      return new Response('', { status: fault, headers: { 'x-ms-error-code': 'Fault' } });
    if (method === 'GET') {
      const names = [...this.blocks].map(([id, { length }]) => `<Name>${id}</Name><Size>${length}</Size>`);
      return new Response(names.join(''), { status: this.blocks.size === 0 ? 404 : 200 });
    }
    if (query.get('comp') === 'block') {
      this.puts += 1;
      this.blocks.set(query.get('blockid') ?? '', bytes);
    } else {
      const ids = [...new TextDecoder().decode(bytes).matchAll(/<Latest>([^<]+)/g)].map(([, id = '']) => id);
      this.committed = await new Blob(ids.map((id) => new Uint8Array(this.blocks.get(id) ?? []))).text();
    }
    return new Response('', { status: 201 });
  }
}

describe('BlockUpload', () => {
  const text = 'film'.repeat(500_000);
  const file = Object.assign(new Blob([text]), { name: 'film.mp4', lastModified: 1 });

  const begin = (
    onProgress: (progress: UploadProgress) => void = () => undefined,
    storage = new BlockStorage(),
  ) => {
    let asked = 0;
    const upload = new BlockUpload({
      file,
      retryMs: 5,
      onProgress,
      fetch: (url, init) => storage.answer(url, init),
      place: async () => {
        asked += 1;
        return { url: 'http://storage/c/film?sig=x', expiresAtMs: Date.now() + 3_600_000, ...LIMITS };
      },
    });
    return { upload, storage, asked: () => asked };
  };

  it('uploads every byte once and tells how far it is, never backwards', async () => {
    const seen: UploadProgress[] = [];
    const { upload, storage } = begin((progress) => seen.push(progress));
    await upload.run();
    expect(storage.committed === text).toBe(true);
    expect(storage.puts).toBe(storage.blocks.size);
    const sent = seen.map(({ sentBytes }) => sentBytes);
    expect(sent).toEqual([...sent].sort((a, b) => a - b));
    expect(seen.map(({ state }) => state).slice(-2)).toEqual(['finishing', 'done']);
    expect(upload.progress).toMatchObject({
      state: 'done',
      sentBytes: text.length,
      totalBytes: text.length,
    });
  });

  it('tries again what may pass, asks for another signature, and says why it waits', async () => {
    const problems = new Set<string>();
    const { upload, storage, asked } = begin(({ problem }) => problem !== undefined && problems.add(problem));
    let calls = 0;
    storage.fault = () => {
      calls += 1;
      return ([undefined, 503, 'reset', 403, 500] as const)[calls];
    };
    await upload.run();
    expect(upload.progress.state).toBe('done');
    expect(storage.committed === text).toBe(true);
    expect(asked()).toBeGreaterThan(1);
    expect([...problems].join()).toMatch(/refuses the upload \(503 Fault\)\. Tried again in 1 s\./);
  });

  it('goes on where it was paused, without sending again what is there', async () => {
    const { upload, storage } = begin(({ state, sentBytes }) => {
      if (state === 'sending' && sentBytes > 700_000) upload.pause();
    });
    await upload.run();
    expect(upload.progress).toMatchObject({ state: 'paused', problem: undefined });
    const there = storage.blocks.size;
    const puts = storage.puts;
    expect(storage.committed).toBeUndefined();
    const { upload: again } = begin(undefined, storage);
    await again.run();
    expect(again.progress.state).toBe('done');
    expect(storage.committed === text).toBe(true);
    expect(storage.puts - puts).toBe(storage.blocks.size - there);
  });

  it('ends with a sentence when storage refuses for good', async () => {
    const { upload, storage } = begin();
    storage.fault = (method) => (method === 'PUT' ? 409 : undefined);
    await upload.run();
    expect(upload.progress).toMatchObject({
      state: 'failed',
      problem: 'The storage refuses the upload (409 Fault).',
    });
  });
});

describe('the form', () => {
  const form = (fields: Readonly<Record<string, string>>): FormData => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return data;
  };

  it('asks for a video of files, with everything left as it is', () => {
    expect(videoBody(form({}), 'upload', [{ name: 'a/b?.mp4' }])).toEqual({
      source: { upload: { files: ['a_b_.mp4'] } },
      encoding: 'adaptive',
      protection: 'clear',
      publish: { when: 'ready' },
      indexing: null,
    });
  });

  it('asks for a clip of a recording, protected and with captions', () => {
    const fields = {
      program: 'arena/final',
      from: '1:02:03',
      to: '',
      protection: 'clearkey',
      language: 'en-US',
    };
    expect(
      videoBody(form({ ...fields, insights: 'on', publish: 'manual', encoding: 'copy' }), 'program', []),
    ).toEqual({
      source: { program: 'arena/final', from: 'PT3723S' },
      encoding: 'copy',
      protection: 'clearkey',
      publish: { when: 'manual' },
      indexing: { language: 'en-US', captions: true, video: true },
    });
  });

  it.each([
    ['90', 'PT90S'],
    ['2:03.5', 'PT123.5S'],
    ['PT5M', 'PT5M'],
    ['', undefined],
  ])('reads the time %j as %j', (text, duration) => {
    expect(durationOf(text)).toBe(duration);
  });

  it.each([
    ['Große Rede (Final).MOV', 'gro-e-rede-final'],
    ['été--1.2.mp4', 'e-te-1-2'],
    ['日本.mp4', ''],
  ])('proposes a name for %j', (file, name) => {
    expect(videoNameOf(file)).toBe(name);
  });

  it('keeps file names as they are where it may', () => {
    expect(fileNameOf('été 1.mp4')).toBe('été 1.mp4');
  });
});

describe('videoModelOf', () => {
  const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString();
  const done = (type: string, seconds: number) => ({ type, status: true, reason: '', since: at(seconds) });
  const video = {
    name: 'lecture',
    state: 'encoding',
    source: { upload: { files: ['a.mp4'] } },
    protection: 'clear',
    progress: { overall: 40, upload: 100, encode: 47, index: 12 },
    conditions: [done('Uploaded', 4), { type: 'Encoded', status: false, reason: 'Encoding', since: at(4) }],
    playback: { status: 'waiting', hls: 'h', dash: null },
    uploads: [{ file: 'a.mp4', sizeBytes: 3_400_000 }],
    createdAt: at(0),
    href: '/api/v1/videos/lecture',
  };
  const bars = (given: unknown) =>
    videoModelOf(given, { items: [] }).stages.map(({ name, state, percent, tookMs }) => [
      name,
      state,
      percent,
      tookMs,
    ]);

  it('has a bar for each stage, as far as it is, with the time that it took', () => {
    expect(bars(video)).toEqual([
      ['upload', 'done', 100, 4000],
      ['encode', 'doing', 47, undefined],
      ['index', 'doing', 12, undefined],
      ['publish', 'todo', 0, undefined],
    ]);
    const published = {
      ...video,
      state: 'published',
      conditions: [
        ...['Uploaded', 'KeyPolicyReady', 'DeliveryPolicyReady'].map((type) => done(type, 4)),
        done('Encoded', 20),
        done('Indexed', 9),
        done('Published', 21),
      ],
    };
    expect(bars(published)).toEqual([
      ['upload', 'done', 100, 4000],
      ['encode', 'done', 100, 16_000],
      ['index', 'done', 100, 5000],
      ['publish', 'done', 100, 1000],
    ]);
  });

  it('has no bar for what is not wanted, and tells a failure with its advice', () => {
    const { upload: _, ...progress } = video.progress;
    const failed = videoModelOf(
      {
        ...video,
        source: { url: 'https://a.example/1.mp4' },
        state: 'failed',
        progress: { ...progress, index: null },
        conditions: [],
        error: { reason: 'It is no video.', advice: 'Upload another.', retry: 'willNotHelp', retryAt: null },
      },
      undefined,
    );
    expect(failed).toMatchObject({
      badge: 'failed',
      failure: { sentence: 'It is no video.', advice: 'Upload another.', retryAt: undefined },
      actions: { encode: true, publish: false, unpublish: false, remove: true },
    });
    expect(failed.stages.map(({ name, state }) => [name, state])).toEqual([
      ['encode', 'failed'],
      ['publish', 'todo'],
    ]);
  });

  it.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [3_440_000, '3.4 MB'],
    [123_456_789, '123 MB'],
  ])('says %d bytes as %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });
});

describe('readTiles', () => {
  it('reads the pictures of a sprite, and leaves out what is none', () => {
    const vtt = [
      'WEBVTT',
      '',
      '00:00:00.000 --> 00:00:05.000',
      'sprite.jpg#xywh=0,0,160,90',
      '',
      '01:00:05.500 --> 01:00:10.000',
      'sprite.jpg#xywh=160,0,160,90',
      '',
      '00:00:10.000 --> 00:00:15.000',
      'not a picture',
    ].join('\r\n');
    expect(readTiles(vtt, 'http://o/l/thumbs.vtt')).toEqual([
      { startSeconds: 0, image: 'http://o/l/sprite.jpg', x: 0, y: 0, width: 160, height: 90 },
      { startSeconds: 3605.5, image: 'http://o/l/sprite.jpg', x: 160, y: 0, width: 160, height: 90 },
    ]);
  });

  it('shows at most two dozen, a second apart at least', () => {
    const tileAt = (startSeconds: number) => ({ startSeconds, image: '', x: 0, y: 0, width: 1, height: 1 });
    const every = (count: number, apart: number) =>
      chooseTiles(Array.from({ length: count }, (_, index) => tileAt(index * apart))).map(
        ({ startSeconds }) => startSeconds,
      );
    expect(every(10, 0.25)).toEqual([0, 1, 2]);
    expect(every(3, 20)).toEqual([0, 20, 40]);
    expect(every(100, 60)).toHaveLength(24);
    expect(every(100, 60).slice(0, 3)).toEqual([0, 300, 540]);
  });
});
