import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ByteCache } from '../../src/delivery/byte-cache.ts';
import { parseByteRange } from '../../src/delivery/byte-range.ts';
import { type CachedContent, writeCacheControl } from '../../src/delivery/cache-policy.ts';
import { closedUrlOf, knowsEnd } from '../../src/delivery/closing-url.ts';
import type { LocatorView } from '../../src/delivery/delivery-directory.ts';
import { DirectoryCache } from '../../src/delivery/directory-cache.ts';
import { entityTagOf, matchesEntityTag, rangeStillApplies } from '../../src/delivery/entity-tag.ts';
import { FirstFragmentHold, isMpdComplete } from '../../src/delivery/first-fragment-hold.ts';
import { parsePath } from '../../src/delivery/origin-server.ts';
import { TrackTimelines } from '../../src/delivery/track-timelines.ts';
import type { FragmentEntry, PresentationIndex } from '../../src/model/presentation.ts';
import type { Track } from '../../src/model/track.ts';

describe('the address of a closed MPD', () => {
  it.each([
    ['/id/show.ism/manifest(format=mpd-time-cmaf)', 'manifest(format=mpd-time-cmaf)?closing'],
    ['/id/show.ism/manifest(format%3Dmpd-time-cmaf).mpd?a=1', 'manifest(format%3Dmpd-time-cmaf).mpd?closing'],
  ])('%s: %s', (url, closedUrl) => {
    expect([closedUrlOf(url), knowsEnd(url), knowsEnd(closedUrl)]).toEqual([closedUrl, false, true]);
  });
});

describe('parseByteRange', () => {
  const whole = { kind: 'whole' };
  const part = (start: number, endInclusive: number) => ({ kind: 'part', start, endInclusive });
  const unsatisfiable = { kind: 'unsatisfiable' };
  it.each([
    { name: 'no header', header: undefined, size: 100, expected: whole },
    { name: 'first and last', header: 'bytes=0-9', size: 100, expected: part(0, 9) },
    { name: 'open end', header: 'bytes=90-', size: 100, expected: part(90, 99) },
    { name: 'last beyond the end', header: 'bytes=90-500', size: 100, expected: part(90, 99) },
    { name: 'suffix', header: 'bytes=-10', size: 100, expected: part(90, 99) },
    { name: 'suffix longer than the body', header: 'bytes=-500', size: 100, expected: part(0, 99) },
    { name: 'unit in capitals', header: 'Bytes=1-1', size: 100, expected: part(1, 1) },
    { name: 'start at the end', header: 'bytes=100-', size: 100, expected: unsatisfiable },
    { name: 'start beyond the end', header: 'bytes=200-300', size: 100, expected: unsatisfiable },
    { name: 'suffix of nothing', header: 'bytes=-0', size: 100, expected: unsatisfiable },
    { name: 'any range of an empty body', header: 'bytes=0-', size: 0, expected: unsatisfiable },
    { name: 'last before first', header: 'bytes=9-3', size: 100, expected: whole },
    { name: 'several ranges', header: 'bytes=0-1,5-6', size: 100, expected: whole },
    { name: 'another unit', header: 'items=0-1', size: 100, expected: whole },
    { name: 'nonsense', header: 'bytes=-', size: 100, expected: whole },
    { name: 'a negative start', header: 'bytes=--5', size: 100, expected: whole },
  ])('$name', ({ header, size, expected }) => {
    expect(parseByteRange(header, size)).toEqual(expected);
  });

  it('never reaches outside the body', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^bytes=\d{0,16}-\d{0,16}$/)),
        fc.nat(1_000_000),
        (header, size) => {
          const range = parseByteRange(header, size);
          if (range.kind !== 'part') return;
          expect(range.start).toBeGreaterThanOrEqual(0);
          expect(range.endInclusive).toBeGreaterThanOrEqual(range.start);
          expect(range.endInclusive).toBeLessThan(size);
        },
      ),
    );
  });
});

describe('entity tags', () => {
  const tag = entityTagOf(new Uint8Array([1, 2, 3]));
  it('are strong, and equal only for equal bytes', () => {
    expect(tag).toMatch(/^"[\w-]{22}"$/);
    expect(entityTagOf(new Uint8Array([1, 2, 3]))).toBe(tag);
    expect(entityTagOf(new Uint8Array([1, 2, 4]))).not.toBe(tag);
  });
  it.each([
    { name: 'absent', header: undefined, expected: false },
    { name: 'the same', header: tag, expected: true },
    { name: 'weak', header: `W/${tag}`, expected: true },
    { name: 'in a list', header: `"x", ${tag}`, expected: true },
    { name: 'any', header: '*', expected: true },
    { name: 'another', header: '"x"', expected: false },
  ])('If-None-Match $name', ({ header, expected }) => {
    expect(matchesEntityTag(header, tag)).toBe(expected);
  });
  it('let a range count only for the same representation', () => {
    expect([undefined, tag, '"x"', `W/${tag}`].map((header) => rangeStillApplies(header, tag))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('writeCacheControl', () => {
  const live = (targetDurationSeconds: number): CachedContent => ({
    kind: 'manifest',
    isLive: true,
    targetDurationSeconds,
  });
  const year = 'public, max-age=31536000, immutable';
  it.each([
    { name: 'fragment', content: { kind: 'fragment' } as const, left: undefined, expected: year },
    {
      name: 'header',
      content: { kind: 'header', isPreview: false } as const,
      left: undefined,
      expected: year,
    },
    {
      name: 'header of a preview',
      content: { kind: 'header', isPreview: true } as const,
      left: undefined,
      expected: 'public, max-age=10',
    },
    { name: 'live, 6 s', content: live(6), left: undefined, expected: 'public, max-age=1' },
    { name: 'live, 2 s', content: live(2), left: undefined, expected: 'public, max-age=1' },
    { name: 'live, 1 s', content: live(1), left: undefined, expected: 'public, max-age=0' },
    {
      name: 'recorded',
      content: { ...live(2), isLive: false } as CachedContent,
      left: undefined,
      expected: 'public, max-age=60',
    },
    {
      name: 'recorded, locator about to expire',
      content: { ...live(2), isLive: false } as CachedContent,
      left: 7.9,
      expected: 'public, max-age=7',
    },
    {
      name: 'fragment, locator expires in an hour',
      content: { kind: 'fragment' } as const,
      left: 3600,
      expected: 'public, max-age=3600',
    },
  ])('$name', ({ content, left, expected }) => {
    expect(writeCacheControl(content, left)).toBe(expected);
  });
});

describe('parsePath', () => {
  it.each([
    {
      name: 'parentheses encoded',
      url: '/a/b.ism/manifest%28format%3Dm3u8-cmaf%29',
      path: '/a/b.ism/manifest(format=m3u8-cmaf)',
    },
    { name: 'a query', url: '/a/b?x=/../', path: '/a/b' },
    { name: 'dots in a name', url: '/a..b/.c', path: '/a..b/.c' },
  ])('takes $name', ({ url, path }) => {
    expect(parsePath(url)).toBe(path);
  });
  it.each([
    { name: 'parent segment', url: '/a/../b' },
    { name: 'encoded parent segment', url: '/a/%2e%2e/b' },
    { name: 'encoded slash around dots', url: '/a%2f..%2fb' },
    { name: 'encoded backslash', url: '/a%5c..%5cb' },
    { name: 'NUL', url: '/a%00' },
    { name: 'bad encoding', url: '/%zz' },
    { name: 'overlong UTF-8', url: '/%c0%ae%c0%ae/' },
    { name: 'empty segment', url: '//host/x' },
    { name: 'absolute form', url: 'http://host/x' },
    { name: 'nothing', url: '' },
    { name: 'too long', url: `/${'a'.repeat(3000)}` },
  ])('refuses $name', ({ url }) => {
    expect(() => parsePath(url)).toThrow(expect.objectContaining({ code: 'MPE_BAD_URL_SYNTAX' }));
  });
});

describe('FirstFragmentHold', () => {
  const starting: PresentationIndex = {
    state: 'live',
    tracks: [
      {
        track: { type: 'video', ordinal: 1, streamName: 'v', bitrateBps: 1, folder: 'v', formats: [] },
        fragments: [],
      },
    ],
    rewindTicks: undefined,
  };
  const complete: PresentationIndex = { ...starting, state: 'ended' };
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const staying = () => () => undefined;

  it('lets go of a client that is gone, and asks for nothing more on its behalf', async () => {
    let asked = 0;
    const source = {
      index: async () => {
        asked += 1;
        return starting;
      },
    };
    let leave: () => void = () => undefined;
    let listening = 0;
    const onGone = (listener: () => void) => {
      leave = listener;
      listening += 1;
      return () => {
        listening -= 1;
      };
    };
    const held = new FirstFragmentHold(600_000).until(source, starting, {
      isComplete: isMpdComplete,
      onGone,
    });
    const outcome = expect(held).rejects.toMatchObject({ name: 'ClientGone' });
    await pause(120);
    expect(asked).toBeGreaterThan(0);
    const askedBefore = asked;
    leave();
    await outcome;
    await pause(200);
    expect({ asked, listening }).toEqual({ asked: askedBefore, listening: 0 });
  });

  it('goes on waiting when the index cannot be read once', async () => {
    const answers = [() => Promise.reject(new Error('down')), async () => starting, async () => complete];
    const source = { index: () => (answers.shift() ?? (async () => complete))() };
    const hold = new FirstFragmentHold(600_000);
    const held = hold.until(source, starting, { isComplete: isMpdComplete, onGone: staying });
    expect(await held).toBe(complete);
    expect(answers).toEqual([]);
  });
});

describe('ByteCache', () => {
  it('fetches once for all who ask at the same time and after', async () => {
    const cache = new ByteCache(1000);
    let fetches = 0;
    const fetchBytes = async () => {
      fetches += 1;
      return new Uint8Array(10);
    };
    await Promise.all(Array.from({ length: 200 }, () => cache.get('a', fetchBytes)));
    await cache.get('a', fetchBytes);
    expect(fetches).toBe(1);
  });
  it('stays within its size and forgets the oldest', async () => {
    const cache = new ByteCache(100);
    for (const name of ['a', 'b', 'c']) await cache.get(name, async () => new Uint8Array(40));
    expect(['a', 'b', 'c'].map((name) => cache.peek(name)?.byteLength)).toEqual([undefined, 40, 40]);
  });
  it('does not remember failures or what is not there', async () => {
    const cache = new ByteCache(100);
    await expect(cache.get('a', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    expect(await cache.get('a', async () => undefined)).toBeUndefined();
    expect(await cache.get('a', async () => new Uint8Array(1))).toEqual(new Uint8Array(1));
  });
});

describe('DirectoryCache', () => {
  const preview: LocatorView = {
    kind: 'preview',
    account: 'media',
    liveEventId: 'e',
    viewerAllow: [],
    crossSite: { clientAccessPolicy: undefined, crossDomainPolicy: undefined },
    rules: { clear: { hls: true, dash: true, smooth: true, download: false }, encrypted: [] },
  };
  function setUp() {
    const state: { nowMs: number; lookups: number; answer: LocatorView | undefined; isDown: boolean } = {
      nowMs: 0,
      lookups: 0,
      answer: preview,
      isDown: false,
    };
    const directory = {
      findLocator: async () => {
        state.lookups += 1;
        if (state.isDown) throw new Error('down');
        return state.answer;
      },
      streamingEndpoints: async () => [],
      mediaFilters: async () => [],
      streamingEndpointUnits: async () => 0,
    };
    return { state, cache: new DirectoryCache(directory, { nowMs: () => state.nowMs }) };
  }
  it('remembers what is there for a second, what is not for a quarter', async () => {
    const { state, cache } = setUp();
    await Promise.all([cache.findLocator('x'), cache.findLocator('x')]);
    state.nowMs = 999;
    await cache.findLocator('x');
    expect(state.lookups).toBe(1);
    state.answer = undefined;
    state.nowMs = 1000;
    expect(await cache.findLocator('x')).toBeUndefined();
    state.nowMs = 1249;
    await cache.findLocator('x');
    expect(state.lookups).toBe(2);
    state.nowMs = 1250;
    await cache.findLocator('x');
    expect(state.lookups).toBe(3);
  });
  it('looks again in time for who asks without waiting', async () => {
    const { state, cache } = setUp();
    expect(cache.peekLocator('x')).toBeUndefined();
    await cache.findLocator('x');
    state.nowMs = 499;
    expect([cache.peekLocator('x'), state.lookups]).toEqual([preview, 1]);
    state.nowMs = 500;
    expect([cache.peekLocator('x'), cache.peekLocator('x'), state.lookups]).toEqual([preview, preview, 2]);
    await new Promise((resolve) => setImmediate(resolve));
    state.nowMs = 1_400;
    state.isDown = true;
    expect(cache.peekLocator('x')).toEqual(preview);
    await new Promise((resolve) => setImmediate(resolve));
    state.nowMs = 1_500;
    expect(cache.peekLocator('x')).toBeUndefined();
  });
  it('goes on with what it knew while the table is down, for 30 s', async () => {
    const { state, cache } = setUp();
    await cache.findLocator('x');
    state.isDown = true;
    state.nowMs = 29_999;
    expect(await cache.findLocator('x')).toEqual(preview);
    state.nowMs = 30_000;
    await expect(cache.findLocator('x')).rejects.toMatchObject({ code: 'MPE_STORAGE_SERVER_BUSY' });
    await expect(cache.findLocator('y')).rejects.toMatchObject({ code: 'MPE_STORAGE_SERVER_BUSY' });
  });
});

describe('TrackTimelines', () => {
  const track = (folder: string, ordinal: number): Track => ({
    type: 'video',
    ordinal,
    streamName: 'video',
    bitrateBps: ordinal,
    folder,
    formats: [],
  });
  const entry = (sequence: number): FragmentEntry => ({
    sequence,
    decodeTimeTicks: sequence * 20,
    durationTicks: 20,
    sizeBytes: 1,
    sampleCount: 1,
    firstSample: sequence,
    discontinuity: 0,
    formatIndex: 0,
    committedAtMs: 0,
  });
  const sequences = (timelines: TrackTimelines) =>
    timelines.snapshot()[0]?.fragments.map(({ sequence }) => sequence);

  const spanOf = ([first, ...rest]: readonly number[]) =>
    first === undefined ? 0 : (rest.at(-1) ?? first) - first + 1;

  it('is the ascending union of all that it was given, in any order and however often', () => {
    const additions = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('live' as const), sequence: fc.nat(60) }),
        fc.record({ kind: fc.constant('stored' as const), from: fc.nat(60), length: fc.nat(20) }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(additions, (steps) => {
        const timelines = new TrackTimelines();
        timelines.addTrack(track('v', 1));
        const model = new Set<number>();
        for (const step of steps) {
          if (step.kind === 'live') {
            timelines.addFragment('v', entry(step.sequence));
            model.add(step.sequence);
          } else {
            const stored = Array.from({ length: step.length }, (_, i) => entry(step.from + i));
            timelines.addTracks([{ track: track('v', 1), fragments: stored }]);
            for (const { sequence } of stored) model.add(sequence);
          }
        }
        const expected = [...model].sort((a, b) => a - b);
        expect(sequences(timelines)).toEqual(expected);
        expect(timelines.hasGap()).toBe(spanOf(expected) !== expected.length);
      }),
    );
  });

  it('keeps what overlaps the window, and a snapshot does not change', () => {
    const timelines = new TrackTimelines();
    timelines.addTrack(track('v', 1));
    for (let sequence = 0; sequence < 10; sequence += 1) timelines.addFragment('v', entry(sequence));
    const before = timelines.snapshot();
    timelines.trimTo(50);
    expect(sequences(timelines)).toEqual([7, 8, 9]);
    expect(before[0]?.fragments).toHaveLength(10);
  });

  it('does not change its version when nothing is new', () => {
    const timelines = new TrackTimelines();
    timelines.addTrack(track('v', 1));
    timelines.addFragment('v', entry(3));
    const { version } = timelines;
    timelines.addTrack(track('v', 1));
    timelines.addFragment('v', entry(3));
    timelines.addFragment('unknown', entry(3));
    timelines.addTracks([{ track: track('v', 1), fragments: [entry(3)] }]);
    expect(timelines.version).toBe(version);
  });

  it('drops what came before the newest gap', () => {
    const timelines = new TrackTimelines();
    timelines.addTrack(track('v', 1));
    for (const sequence of [1, 2, 5, 6, 7]) timelines.addFragment('v', entry(sequence));
    timelines.trimToContiguous();
    expect(sequences(timelines)).toEqual([5, 6, 7]);
  });
});
