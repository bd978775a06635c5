import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FeedLog, type FeedReply } from '../../src/live/feed-log.ts';
import { FeedRequestRefused, parseFeedRequest } from '../../src/live/feed-request.ts';
import { FragmentNumbering } from '../../src/live/fragment-numbering.ts';
import { LiveWindow } from '../../src/live/live-window.ts';
import { parseIndexLineValue } from '../../src/model/index-line.ts';
import type { FragmentEntry } from '../../src/model/presentation.ts';
import type { Track } from '../../src/model/track.ts';
import { TICKS_PER_SECOND } from '../../src/time/timescale.ts';
import { entryOf, fragmentOf, liveAudioTrack, liveVideoTrack } from '../support/live-media.ts';

const never = new AbortController().signal;
const video = liveVideoTrack();
const grown: Track = { ...video, formats: [...video.formats, ...video.formats] };
const audio = liveAudioTrack();

/** What a reply says, told briefly: `V1` = the track line with one format, `v0` = fragment 0. */
function told(reply: FeedReply | 'gone'): string {
  if (reply === 'gone') return reply;
  return reply.lines
    .map(({ folder, line }) => {
      const parsed = parseIndexLineValue(line);
      const letter = folder.slice(0, 1);
      if (parsed.kind === 'track') return `${letter.toUpperCase()}${parsed.track.formats.length}`;
      return parsed.kind === 'fragment' ? `${letter}${parsed.entry.sequence}` : parsed.kind;
    })
    .join(' ');
}

function replyOf(reply: FeedReply | 'gone'): FeedReply {
  if (reply === 'gone') throw new Error('gone');
  return reply;
}

const read = (log: FeedLog, after?: string) => log.read(after, 0, never);

describe('feed log', () => {
  it('answers the whole window without a cursor, and with one what came after it', async () => {
    const log = new FeedLog(7);
    expect(await read(log)).toMatchObject({ epoch: 7, ended: false, lines: [] });
    log.appendTrack(video);
    log.appendTrack(video);
    const first = replyOf(await read(log));
    log.appendFragment(video, entryOf(0));
    log.appendFragment(audio, entryOf(0));
    const next = replyOf(await read(log, first.cursor));
    expect([told(first), told(next)]).toEqual(['V1', 'v0 A1 a0']);
    expect(told(await read(log))).toBe('V1 A1 v0 a0');
    expect(await read(log, next.cursor)).toEqual({ ...next, lines: [] });
    expect(next.lines[0]).toEqual({ folder: video.folder, line: { t: 'f', ...entryOf(0) } });
  });

  it('tells a track again when its formats have grown, before the fragment that uses them', async () => {
    const log = new FeedLog(7);
    log.appendFragment(video, entryOf(0));
    const { cursor } = replyOf(await read(log));
    log.appendFragment(grown, { ...entryOf(1), formatIndex: 1 });
    log.appendFragment(video, entryOf(2));
    expect(told(await read(log, cursor))).toBe('V2 v1 v2');
    expect(told(await read(log))).toBe('V2 v0 v1 v2');
  });

  it.each([
    { name: 'of another epoch', spoil: (cursor: string) => cursor.replace('7-', '6-') },
    { name: 'from the future', spoil: (cursor: string) => `${cursor}0` },
    { name: 'without a position', spoil: (cursor: string) => cursor.replace(/\d+$/, '') },
    { name: 'with more after it', spoil: (cursor: string) => `${cursor}.0` },
    { name: 'that is empty', spoil: () => '' },
  ])('is gone for a cursor $name', async ({ spoil }) => {
    const log = new FeedLog(7);
    log.appendFragment(video, entryOf(0));
    const { cursor } = replyOf(await read(log));
    expect(await read(log, cursor)).not.toBe('gone');
    expect(await read(log, spoil(cursor))).toBe('gone');
  });

  it('is gone for the cursor of a log before it of the same epoch', async () => {
    const [before, now] = [new FeedLog(7), new FeedLog(7)];
    expect(await read(now, replyOf(await read(before)).cursor)).toBe('gone');
  });

  it('keeps the window and the tracks, and is gone for who fell behind it', async () => {
    const log = new FeedLog(7, { durationTicksMax: 10 * TICKS_PER_SECOND });
    log.appendTrack(video);
    const early = replyOf(await read(log)).cursor;
    for (let sequence = 0; sequence < 6; sequence += 1) log.appendFragment(video, entryOf(sequence));
    const inWindow = replyOf(await read(log, early)).cursor;
    for (let sequence = 6; sequence < 9; sequence += 1) log.appendFragment(video, entryOf(sequence));
    // 2 s each: 18 s are there, those that end before 8 s are gone.
    expect(told(await read(log))).toBe('V1 v3 v4 v5 v6 v7 v8');
    expect(await read(log, early)).toBe('gone');
    expect(told(await read(log, inWindow))).toBe('v6 v7 v8');
  });

  it('holds a bounded number of lines however short the fragments are', async () => {
    const log = new FeedLog(7, { linesMax: 3 });
    for (let sequence = 0; sequence < 50; sequence += 1) log.appendFragment(video, entryOf(sequence));
    expect(told(await read(log))).toBe('V1 v47 v48 v49');
  });

  it('lists no more than what the window still holds', async () => {
    const log = new FeedLog(7);
    const window = new LiveWindow({ bytesMax: 1000 });
    for (let sequence = 0; sequence < 20; sequence += 1) {
      for (const track of [video, audio]) {
        window.addFragment(fragmentOf(track, sequence, 100 + sequence));
        log.appendFragment(track, entryOf(sequence));
        log.keepFragments(window.fragmentCount);
      }
    }
    const { lines } = replyOf(await read(log));
    const listed = lines.flatMap(({ folder, line }) => {
      const parsed = parseIndexLineValue(line);
      return parsed.kind === 'fragment' ? [[folder, parsed.entry.decodeTimeTicks] as const] : [];
    });
    expect(listed).toHaveLength(window.fragmentCount);
    for (const [folder, ticks] of listed) expect(window.fragment(folder, ticks)).toBeDefined();
    expect(told(await read(log))).toMatch(/^V1 A1 /);
  });

  it('forgets everything but its tracks, and is gone for whoever waits or goes on', async () => {
    const log = new FeedLog(7);
    log.appendFragment(video, entryOf(0));
    const { cursor } = replyOf(await read(log));
    const waiting = log.read(cursor, 20_000, never);
    log.forget();
    expect([await waiting, await read(log, cursor)]).toEqual(['gone', 'gone']);
    expect(told(await read(log))).toBe('V1');
    log.appendFragment(video, entryOf(1));
    expect(told(await read(log))).toBe('V1 v1');
  });

  it('wakes who waits when a line comes, and when it ends', async () => {
    const log = new FeedLog(7);
    const { cursor } = replyOf(await read(log));
    const waiting = [log.read(cursor, 20_000, never), log.read(cursor, 20_000, never)];
    log.appendTrack(video);
    log.appendFragment(video, entryOf(0));
    const replies = await Promise.all(waiting);
    expect(replies.map(told)).toEqual(['V1 v0', 'V1 v0']);
    const last = replyOf(replies[0] ?? 'gone').cursor;
    const untilEnd = log.read(last, 20_000, never);
    log.end();
    log.appendFragment(video, entryOf(1));
    expect(await untilEnd).toMatchObject({ ended: true, lines: [] });
    expect(await log.read(last, 20_000, never)).toMatchObject({ ended: true, lines: [] });
    expect(await log.read(cursor, 20_000, never)).toMatchObject({ ended: true });
  });

  it('answers empty after the wait, at an abort, and at once beyond the waiters it takes', async () => {
    const log = new FeedLog(7, { waitersMax: 1 });
    const { cursor } = replyOf(await read(log));
    const leaving = new AbortController();
    const waiting = log.read(cursor, 20_000, leaving.signal);
    expect(await log.read(cursor, 20_000, never)).toMatchObject({ lines: [] });
    leaving.abort();
    expect(await waiting).toMatchObject({ lines: [] });
    const startedAtMs = performance.now();
    expect(await log.read(cursor, 30, never)).toMatchObject({ lines: [] });
    expect(performance.now() - startedAtMs).toBeGreaterThan(25);
  });

  it('gives a follower every line once and in order, whatever it misses and whenever it asks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 60 }), async (asks) => {
        const log = new FeedLog(7, { durationTicksMax: 20 * TICKS_PER_SECOND });
        let cursor = replyOf(await read(log)).cursor;
        let seen: FragmentEntry[] = [];
        const follow = async () => {
          let reply = await read(log, cursor);
          if (reply === 'gone') {
            seen = [];
            reply = await read(log);
          }
          const { lines, cursor: next } = replyOf(reply);
          cursor = next;
          for (const { line } of lines) {
            const parsed = parseIndexLineValue(line);
            if (parsed.kind === 'fragment') seen.push(parsed.entry);
          }
        };
        for (const [sequence, ask] of asks.entries()) {
          log.appendFragment(video, entryOf(sequence));
          if (ask) await follow();
        }
        await follow();
        const first = seen[0]?.sequence ?? 0;
        expect(seen.map(({ sequence }) => sequence)).toEqual(
          Array.from({ length: asks.length - first }, (_, index) => first + index),
        );
      }),
      { numRuns: 50 },
    );
  });
});

describe('feed request', () => {
  const wholeUrl = '/feed/arena/output%21main-1?after=7-a-3&waitMs=25000';
  it.each([
    { url: '/feed/arena/preview', is: { source: 'preview', after: undefined, waitMs: 0 } },
    { url: wholeUrl, is: { source: 'output!main-1', after: '7-a-3', waitMs: 25_000 } },
  ])('GET $url asks for lines', ({ url, is }) => {
    expect(parseFeedRequest('GET', url)).toEqual({ kind: 'lines', liveEventId: 'arena', ...is });
  });

  it.each([
    ['GET', '/feed/arena/preview?waitMs=25001', 'BadRequest'],
    ['GET', '/feed/arena/preview?waitMs=-1', 'BadRequest'],
    ['GET', `/feed/arena/preview?after=${'7'.repeat(600)}`, 'BadRequest'],
    ['GET', '/feed/arena/other', 'BadRequest'],
    ['GET', '/feed/arena/output!', 'BadRequest'],
    ['GET', '/feed/%2e%2e%2f/preview', 'BadRequest'],
    ['GET', '/feed/arena/%ff', 'BadRequest'],
    ['GET', '/feed/arena/fragment/video_1/1.5', 'BadRequest'],
    ['GET', '/feed/arena/fragment/..%2fx/1', 'BadRequest'],
    ['GET', '/feed/arena/header/video_1/64', 'BadRequest'],
    ['GET', '/feed/arena/other/video_1/1', 'NotFound'],
    ['GET', '/feed/arena', 'NotFound'],
    ['GET', '/live-events/arena/refresh', 'NotFound'],
    ['POST', '/feed/arena/preview', 'NotFound'],
    ['POST', '/live-events/a%2fb/refresh', 'BadRequest'],
    ['PUT', '/feed/arena/preview', 'MethodNotAllowed'],
    ['GET', `/feed/${'a'.repeat(3000)}/preview`, 'UriTooLong'],
  ])('refuses %s %s with %s', (method, url, code) => {
    expect(() => parseFeedRequest(method, url)).toThrow(expect.objectContaining({ code }));
  });

  it('takes any text and throws nothing but its own error', () => {
    const parts = fc.array(fc.oneof(fc.string(), fc.constantFrom('feed', 'arena', '%', '!', 'header', '9')));
    fc.assert(
      fc.property(parts, (segments) => {
        try {
          parseFeedRequest('GET', `/${segments.join('/')}`);
        } catch (error) {
          expect(error).toBeInstanceOf(FeedRequestRefused);
        }
      }),
    );
  });
});

describe('live window', () => {
  it('gives fragments and headers, and the header of a format only once that is known', () => {
    const window = new LiveWindow();
    expect(window.header(audio.folder, 0)).toBeUndefined();
    window.setTrack(audio);
    const header = window.header(audio.folder, 0);
    expect(Buffer.from(header ?? []).toString('latin1', 4, 8)).toBe('ftyp');
    expect(window.header(audio.folder, 0)).toBe(header);
    expect(window.header(audio.folder, 1)).toBeUndefined();
    window.setTrack({ ...audio, formats: [...audio.formats, ...audio.formats] });
    window.setTrack(audio);
    expect(window.header(audio.folder, 1)).toBeDefined();
    const fragment = fragmentOf(video, 0);
    window.addFragment(fragment);
    expect(window.fragment(video.folder, 0)).toBe(fragment.bytes);
    expect(window.fragment(audio.folder, 0)).toBeUndefined();
  });

  const held = (window: LiveWindow, count: number): number[] =>
    Array.from({ length: count }, (_, index) => index).filter(
      (index) => window.fragment(video.folder, index * 2 * TICKS_PER_SECOND) !== undefined,
    );

  it.each([
    { name: 'by duration', limits: { durationTicksMax: 6 * TICKS_PER_SECOND }, left: [6, 7, 8, 9] },
    { name: 'by bytes', limits: { bytesMax: 250 }, left: [8, 9] },
  ])('drops the oldest $name', ({ limits, left }) => {
    const window = new LiveWindow(limits);
    for (let index = 0; index < 10; index += 1) window.addFragment(fragmentOf(video, index, 100));
    expect(held(window, 10)).toEqual(left);
  });

  it('counts a fragment that comes twice once', () => {
    const window = new LiveWindow({ bytesMax: 250 });
    for (const index of [0, 1, 1, 1]) window.addFragment(fragmentOf(video, index, 100));
    expect(held(window, 2)).toEqual([0, 1]);
  });
});

describe('fragment numbering', () => {
  it('counts fragments and samples per track from 0', () => {
    const numbering = new FragmentNumbering();
    const entries = [
      numbering.number(fragmentOf(video, 0), 10),
      numbering.number(fragmentOf(audio, 0), 11),
      numbering.number(fragmentOf(video, 1), 12),
    ];
    expect(entries.map((e) => [e.sequence, e.firstSample, e.committedAtMs])).toEqual([
      [0, 0, 10],
      [0, 0, 11],
      [1, 50, 12],
    ]);
    expect(entries[2]).toEqual({ ...entryOf(1), committedAtMs: 12 });
  });
});
