import { createDecipheriv } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { getBox, readBoxes } from '../../../src/formats/isobmff/box-reader.ts';
import { parseFragment } from '../../../src/formats/isobmff/fragment-reader.ts';
import { writeFragment } from '../../../src/formats/isobmff/fragment-writer.ts';
import { TFRF_USER_TYPE } from '../../../src/formats/isobmff/sample-flags.ts';
import { type SmoothTime, toSmoothFragment } from '../../../src/formats/isobmff/smooth-fragment.ts';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../../../src/model/presentation.ts';
import type { Protection } from '../../../src/model/protection.ts';
import type { TimedSample } from '../../../src/model/sample.ts';
import { packageSmoothFragment } from '../../../src/packager/smooth-segments.ts';
import { findSmoothFragment, shareTimeline } from '../../../src/packager/smooth-timeline.ts';
import {
  high180,
  main180,
  presentation,
  SECOND,
  START_TICKS,
  type Stretch,
  stereo48,
  track,
  trackIndex,
} from '../../support/presentations.ts';
import { decryptSamples, PIFF_SENC, trafBoxesOf } from '../../support/sample-decryption.ts';

const at = (seconds: number) => START_TICKS + seconds * SECOND;
const rung = (ordinal: number, ...stretches: readonly Stretch[]): TrackIndex =>
  trackIndex(
    track('video', { ordinal, bitrateBps: 1_000 * ordinal, formats: [high180, main180] }),
    stretches,
  );
const from = (seconds: number, count: number, more: Partial<Stretch> = {}): Stretch => ({
  startTicks: at(seconds),
  count,
  ...more,
});

describe('the chunks that qualities share', () => {
  /** Ordinals of the qualities, and where runs of chunks begin and end, in seconds. */
  const shared = (index: PresentationIndex) => {
    const [first, ...others] = index.tracks;
    if (first === undefined) throw new Error('no quality');
    const { qualities, chunks } = shareTimeline(index, [first, ...others]);
    const runs: [number, number][] = [];
    for (const { decodeTimeTicks, durationTicks } of chunks) {
      const last = runs.at(-1);
      const [start, end] = [decodeTimeTicks, decodeTimeTicks + durationTicks].map(
        (ticks) => (ticks - START_TICKS) / SECOND,
      );
      if (start === undefined || end === undefined) continue;
      if (last?.[1] === start) last[1] = end;
      else runs.push([start, end]);
    }
    return { qualities: qualities.map((quality) => quality.track.ordinal), runs };
  };

  it.each([
    {
      name: 'live: not those that could not tell of two that follow',
      tracks: [rung(1, from(0, 10)), rung(2, from(0, 10))],
      expected: { qualities: [1, 2], runs: [[0, 16]] },
    },
    {
      name: 'live: one quality is a fragment behind',
      tracks: [rung(1, from(0, 10)), rung(2, from(0, 9))],
      expected: { qualities: [1, 2], runs: [[0, 14]] },
    },
    {
      name: 'live: one quality has stopped',
      tracks: [rung(1, from(0, 20)), rung(2, from(0, 16))],
      expected: { qualities: [1], runs: [[0, 36]] },
    },
    {
      name: 'live: the one with the most has stopped',
      tracks: [rung(1, from(0, 20)), rung(2, from(20, 15))],
      expected: { qualities: [2], runs: [[20, 46]] },
    },
    {
      name: 'live: one quality came late',
      tracks: [rung(1, from(0, 10)), rung(2, from(6, 7))],
      expected: { qualities: [1], runs: [[0, 16]] },
    },
    {
      name: 'live: one quality lacks one fragment',
      tracks: [rung(1, from(0, 10)), rung(2, from(0, 3), from(8, 6))],
      expected: {
        qualities: [1, 2],
        runs: [
          [0, 6],
          [8, 16],
        ],
      },
    },
    {
      name: 'live: all have the gap',
      tracks: [rung(1, from(0, 3), from(10, 5)), rung(2, from(0, 3), from(10, 5))],
      expected: {
        qualities: [1, 2],
        runs: [
          [0, 6],
          [10, 16],
        ],
      },
    },
    {
      name: 'live: the window',
      tracks: [rung(1, from(0, 10))],
      rewindTicks: 4 * SECOND,
      expected: { qualities: [1], runs: [[12, 16]] },
    },
    {
      name: 'live: the encoder came back with another format',
      tracks: [rung(1, from(0, 5), from(20, 5, { formatIndex: 1, discontinuity: 1 }))],
      expected: { qualities: [1], runs: [[20, 26]] },
    },
    {
      name: 'live: fewer than three',
      tracks: [rung(1, from(0, 2))],
      expected: { qualities: [], runs: [] },
    },
    {
      name: 'ended: all, also the last',
      state: 'ended' as const,
      tracks: [rung(1, from(0, 10)), rung(2, from(0, 10))],
      expected: { qualities: [1, 2], runs: [[0, 20]] },
    },
    {
      name: 'ended: one quality stopped early',
      state: 'ended' as const,
      tracks: [rung(1, from(0, 10)), rung(2, from(0, 8))],
      expected: { qualities: [1], runs: [[0, 20]] },
    },
    {
      name: 'ended: three of four hundred are left out for a quality, five are not',
      state: 'ended' as const,
      tracks: [rung(1, from(0, 400)), rung(2, from(6, 397)), rung(3, from(10, 395))],
      expected: { qualities: [1, 2], runs: [[6, 800]] },
    },
  ])('$name', ({ tracks, expected, ...more }) => {
    expect(shared(presentation(tracks, more))).toEqual(expected);
  });

  it('are in every quality that is listed, whatever the qualities have', () => {
    const holes = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
    const qualities = fc.array(holes, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(qualities, fc.constantFrom('live' as const, 'ended' as const), (lists, state) => {
        const tracks = lists.map((list, ordinal) =>
          rung(ordinal + 1, ...list.flatMap((has, slot) => (has ? [from(slot * 2, 1)] : []))),
        );
        const [first, ...others] = tracks;
        if (first === undefined) return;
        const timeline = shareTimeline(presentation(tracks, { state }), [first, ...others]);
        for (const { fragments } of timeline.qualities) {
          const times = fragments.map(({ decodeTimeTicks }) => decodeTimeTicks);
          expect(times).toEqual(
            expect.arrayContaining(timeline.chunks.map(({ decodeTimeTicks }) => decodeTimeTicks)),
          );
        }
        expect(timeline.qualities.length > 0).toBe(timeline.chunks.length > 0);
      }),
    );
  });
});

describe('which fragment is served', () => {
  const five = rung(1, from(0, 3), from(6, 2, { formatIndex: 1 }));
  const find = (state: PresentationIndex['state'], seconds: number) => {
    const found = findSmoothFragment(presentation([five], { state }), five, at(seconds));
    return found.kind === 'found'
      ? found.following.map(({ decodeTimeTicks }) => (decodeTimeTicks - START_TICKS) / SECOND)
      : found.kind;
  };

  it.each([
    { state: 'live', seconds: 0, expected: [2, 4] },
    { state: 'live', seconds: 2, expected: [4] }, // then another format begins
    { state: 'live', seconds: 4, expected: [] },
    { state: 'live', seconds: 6, expected: 'notReady' },
    { state: 'live', seconds: 8, expected: 'notReady' },
    { state: 'live', seconds: 10, expected: 'notReady' },
    { state: 'live', seconds: 1, expected: 'gone' },
    { state: 'ended', seconds: 6, expected: [8] },
    { state: 'ended', seconds: 8, expected: [] },
    { state: 'ended', seconds: 10, expected: 'gone' },
  ] as const)('$state, $seconds s: $expected', ({ state, seconds, expected }) => {
    expect(find(state, seconds)).toEqual(expected);
  });

  it('is the same for ever once it is served', () => {
    const list = rung(1, from(0, 12));
    const whole = presentation([list], { state: 'ended' });
    for (let length = 1; length < list.fragments.length; length += 1) {
      const now = { ...list, fragments: list.fragments.slice(0, length) };
      for (const { decodeTimeTicks } of now.fragments) {
        const found = findSmoothFragment(presentation([now]), now, decodeTimeTicks);
        if (found.kind === 'found') expect(found).toEqual(findSmoothFragment(whole, list, decodeTimeTicks));
      }
    }
  });
});

const VIDEO = track('video', { ordinal: 3, bitrateBps: 300_000, formats: [high180] });
const AUDIO = track('audio', { ordinal: 4, bitrateBps: 64_000, formats: [stereo48] });
const sampleList = fc.array(
  fc.record({
    durationTicks: fc.integer({ min: 1, max: 1_000_000 }),
    compositionOffsetTicks: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    isRandomAccessPoint: fc.boolean(),
    data: fc.uint8Array({ maxLength: 60 }),
  }),
  { minLength: 1, maxLength: 20 },
);

function writeSmoothFragment(
  stored: Uint8Array,
  times: { readonly time: SmoothTime; readonly following: readonly SmoothTime[] },
): Uint8Array {
  const { head, payload } = toSmoothFragment(stored, times);
  return new Uint8Array(Buffer.concat([head, payload]));
}

function store(of: typeof VIDEO, samples: readonly Omit<TimedSample, 'dtsTicks'>[]): Uint8Array {
  const { head, payload } = writeFragment({
    track: of,
    sequence: 9,
    decodeTimeTicks: at(0),
    samples: samples.map((sample) => ({ dtsTicks: 0, ...sample })),
  });
  return new Uint8Array(Buffer.concat([head, ...payload]));
}

const read = (fragment: Uint8Array) =>
  parseFragment(fragment).samples.map(({ offset, sizeBytes, ...sample }) => ({
    ...sample,
    data: Buffer.from(fragment.subarray(offset, offset + sizeBytes)).toString('hex'),
  }));

describe('fragments', () => {
  const time = { startTicks: at(0), durationTicks: 2 * SECOND };
  const following = [
    { startTicks: at(2), durationTicks: SECOND },
    { startTicks: at(3), durationTicks: SECOND / 2 },
  ];

  it('have the samples of the stored ones, and their time in tfxd alone', () => {
    fc.assert(
      fc.property(sampleList, (samples) => {
        const stored = store(VIDEO, samples);
        const fragment = writeSmoothFragment(stored, { time, following });
        expect(read(fragment)).toEqual(read(stored));
        const boxes = trafBoxesOf(fragment);
        expect(boxes.map(({ type }) => type)).toEqual(['tfhd', 'trun', 'uuid', 'uuid']);
        expect(parseFragment(fragment)).toMatchObject({
          sequence: 9,
          trackId: 3,
          decodeTimeTicks: at(0),
          tfxd: { absoluteTimeTicks: at(0), durationTicks: 2 * SECOND },
        });
        const isSigned = samples.some(({ compositionOffsetTicks }) => compositionOffsetTicks < 0);
        expect(boxes[1]?.body[0]).toBe(isSigned ? 1 : 0);
      }),
    );
  });

  it('tell of those that follow as [MS-SSTR] §2.2.4.5 has it', () => {
    const fragment = writeSmoothFragment(store(AUDIO, [sound(10)]), { time, following });
    const tfrf = trafBoxesOf(fragment).find(({ userType }) => userType === TFRF_USER_TYPE);
    const hex = (ticks: number) => ticks.toString(16).padStart(16, '0');
    expect(Buffer.from(tfrf?.body ?? []).toString('hex')).toBe(
      `0100000002${hex(at(2))}${hex(SECOND)}${hex(at(3))}${hex(SECOND / 2)}`,
    );
    expect(readBoxes(fragment).map(({ type }) => type)).toEqual(['moof', 'mdat']);
  });

  it('are read from archives whose runs count from the beginning of a file, or not at all', () => {
    const stored = store(AUDIO, [sound(10), sound(20)]);
    const expected = read(stored);
    for (const foreign of [withBaseDataOffset(stored), withoutDataOffset(stored), withTwoRuns(stored)]) {
      expect(read(foreign)).toEqual(expected);
      expect(read(writeSmoothFragment(foreign, { time, following }))).toEqual(expected);
    }
  });

  it('are refused when they are broken', () => {
    const stored = store(AUDIO, [sound(10)]);
    const bytes = fc.uint8Array({ maxLength: 200 });
    const cut = fc.integer({ min: 0, max: stored.length - 1 }).map((length) => stored.subarray(0, length));
    fc.assert(
      fc.property(fc.oneof(bytes, cut), (broken) => {
        try {
          writeSmoothFragment(broken, { time, following });
        } catch (error) {
          expect(error).toMatchObject({ code: 'MalformedFragment' });
        }
      }),
    );
  });
});

const sound = (sizeBytes: number) => ({
  durationTicks: 213_333,
  compositionOffsetTicks: 0,
  isRandomAccessPoint: true,
  data: new Uint8Array(sizeBytes).fill(sizeBytes),
});

/** Puts other boxes in the place of `tfhd` and `trun`; sizes of moof and traf, and nothing else, follow. */
function withBoxes(stored: Uint8Array, boxes: readonly Buffer[]): Uint8Array {
  const moof = getBox(readBoxes(stored), 'moof');
  const mfhd = getBox(readBoxes(moof.body), 'mfhd');
  const traf = getBox(readBoxes(moof.body), 'traf');
  const others = readBoxes(traf.body).filter(({ type }) => type !== 'tfhd' && type !== 'trun');
  const whole = others.map(({ offset, sizeBytes }) => traf.body.subarray(offset, offset + sizeBytes));
  const newTraf = box('traf', Buffer.concat([...boxes, ...whole]));
  const head = moof.body.subarray(mfhd.offset, mfhd.offset + mfhd.sizeBytes);
  const mdat = stored.subarray(moof.offset + moof.sizeBytes);
  return new Uint8Array(Buffer.concat([box('moof', Buffer.concat([head, newTraf])), mdat]));
}

function box(type: string, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, body]);
}

const words = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
};
const SYNC = 0x0200_0000;
const shared = [213_333, SYNC] as const; // default duration and flags: tfhd 0x28

const withBaseDataOffset = (stored: Uint8Array) =>
  withBoxes(stored, [
    box('tfhd', words(0x29, 4, 0, 123_456, ...shared)),
    box('trun', words(0x201, 2, 99, 10, 20)),
  ]);
const withoutDataOffset = (stored: Uint8Array) =>
  withBoxes(stored, [box('tfhd', words(0x2_0028, 4, ...shared)), box('trun', words(0x200, 2, 10, 20))]);
const withTwoRuns = (stored: Uint8Array) =>
  withBoxes(stored, [
    box('tfhd', words(0x2_0028, 4, ...shared)),
    box('trun', words(0x200, 1, 10)),
    box('trun', words(0x200, 1, 20)),
  ]);

describe('protected fragments', () => {
  const key = {
    id: '01234567-89ab-cdef-0123-456789abcdef',
    value: Buffer.from('0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'hex'),
  };
  const ivSalt = Buffer.from('a1b2c3d4e5f60718', 'hex');
  const protect = (scheme: Protection['scheme']): Protection => ({ scheme, ivSalt, keyOf: () => key });
  const [entry = noEntry(), ...following] = trackIndex(AUDIO, [from(0, 3)]).fragments;
  const clear = (): Uint8Array => store(AUDIO, [sound(10), sound(200), sound(15)]);
  const packaged = (protection: Protection | undefined) =>
    packageSmoothFragment(clear(), { track: AUDIO, entry, following, protection });

  function noEntry(): FragmentEntry {
    throw new Error('three fragments');
  }

  it('have encrypted samples with the box of PIFF 1.1', () => {
    const fragment = packaged(protect('cenc'));
    const userTypes = trafBoxesOf(fragment).map(({ type, userType }) => userType ?? type);
    expect(userTypes).toContain(PIFF_SENC);
    expect(userTypes).not.toContain('tfdt');
    expect(userTypes).not.toContain('saio');
    const samples = decryptSamples(fragment, { scheme: 'cenc', key: key.value });
    expect(samples.map((data) => data.toString('hex'))).toEqual(read(clear()).map(({ data }) => data));
    expect(read(fragment)).not.toEqual(read(clear()));
  });

  it('are encrypted whole for the envelope', () => {
    const fragment = packaged(protect('aes128'));
    const iv = Buffer.concat([ivSalt, Buffer.alloc(8)]);
    const decipher = createDecipheriv('aes-128-cbc', key.value, iv);
    const bytes = Buffer.concat([decipher.update(fragment), decipher.final()]);
    expect(new Uint8Array(bytes)).toEqual(packaged(undefined));
  });

  it('are not made for what Smooth Streaming has not', () => {
    expect(() => packaged(protect('cbcs'))).toThrow(RangeError);
  });
});
