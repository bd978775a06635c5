import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseAacFormat } from '../../../src/codecs/aac.ts';
import { containsIdr, parseH264Format } from '../../../src/codecs/h264.ts';
import { containsIrap, parseHevcFormat } from '../../../src/codecs/hevc.ts';
import { parseFlvAudioTag, parseFlvVideoTag } from '../../../src/formats/flv.ts';
import { parseFragment } from '../../../src/formats/isobmff/fragment-reader.ts';
import { writeFragment } from '../../../src/formats/isobmff/fragment-writer.ts';
import type { TimedSample } from '../../../src/model/sample.ts';
import type { Track } from '../../../src/model/track.ts';
import { rescale } from '../../../src/time/timescale.ts';

const track: Track = {
  type: 'video',
  ordinal: 7,
  streamName: 'video',
  bitrateBps: 1,
  folder: 'video_1',
  formats: [],
};
const sample: fc.Arbitrary<TimedSample> = fc.record({
  dtsTicks: fc.constant(0),
  durationTicks: fc.constantFrom(0, 400_000, 2 ** 32 - 1),
  compositionOffsetTicks: fc.constantFrom(0, 800_000, -(2 ** 31) + 1),
  isRandomAccessPoint: fc.boolean(),
  data: fc.uint8Array({ maxLength: 9 }),
});
const samples = fc.array(sample, { minLength: 1, maxLength: 12 });
const decodeTime = fc.maxSafeNat();

function bytesOf(list: readonly TimedSample[], decodeTimeTicks: number): Uint8Array {
  const { head, payload } = writeFragment({ track, sequence: 3, decodeTimeTicks, samples: list });
  return new Uint8Array(Buffer.concat([head, ...payload]));
}

describe('writeFragment → parseFragment', () => {
  it('gives back every sample', () => {
    fc.assert(
      fc.property(samples, decodeTime, (list, decodeTimeTicks) => {
        const bytes = bytesOf(list, decodeTimeTicks);
        const parsed = parseFragment(bytes);
        const durationTicks = list.reduce((sum, each) => sum + each.durationTicks, 0);
        expect(parsed).toMatchObject({
          sequence: 3,
          trackId: 7,
          decodeTimeTicks,
          tfxd: { absoluteTimeTicks: decodeTimeTicks, durationTicks },
        });
        const back = parsed.samples.map(({ offset, sizeBytes, ...rest }) => ({
          ...rest,
          dtsTicks: 0,
          data: bytes.slice(offset, offset + sizeBytes),
        }));
        expect(back).toEqual(list);
      }),
    );
  });
});

describe('hostile bytes', () => {
  const broken = fc
    .tuple(samples, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }), fc.nat(600))
    .map(([list, changes, length]) => {
      const bytes = bytesOf(list, 1);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes.subarray(0, length);
    });
  const avcRecord = fc.uint8Array({ maxLength: 80 }).map((sps) => {
    const unit = [0x67, 100, 0, 31, ...sps];
    return Uint8Array.from([1, 100, 0, 31, 0xff, 0xe1, 0, unit.length, ...unit, 1, 0, 1, 0x68]);
  });
  const hevcRecord = fc
    .tuple(fc.uint8Array({ maxLength: 90 }), fc.uint8Array({ maxLength: 60 }))
    .map(([sps, vps]) => {
      const array = (type: number, ...unit: number[]) => [type, 0, 1, 0, unit.length, ...unit];
      const head = [
        1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 120, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 15, 3,
      ];
      const sets = [array(32, 0x40, 1, ...vps), array(33, 0x42, 1, ...sps), array(34, 0x44, 1)];
      return Uint8Array.from([...head, ...sets.flat()]);
    });
  const fourCcs = ['hvc1', 'avc1', 'mp4a', 'Opus'].map((text) => [...new TextEncoder().encode(text)]);
  const enhanced = fc
    .tuple(
      fc.constantFrom(0x90, 0x91, 0x95, 0x96, 0x97, 0xa3, 0xd1),
      fc.array(fc.oneof(fc.constantFrom(...fourCcs), fc.array(fc.nat(255), { maxLength: 6 })), {
        maxLength: 8,
      }),
    )
    .map(([head, parts]) => Uint8Array.from([head, ...parts.flat()]));
  const any = fc.uint8Array({ maxLength: 200 });
  it.each([
    ['parseFragment', parseFragment, broken, 'MalformedFragment'],
    ['parseH264Format', parseH264Format, fc.oneof(avcRecord, any), 'MalformedCodecConfiguration'],
    ['parseAacFormat', parseAacFormat, any, 'MalformedCodecConfiguration'],
    ['parseHevcFormat', parseHevcFormat, fc.oneof(hevcRecord, any), 'MalformedCodecConfiguration'],
    ['parseFlvVideoTag', parseFlvVideoTag, fc.oneof(enhanced, any), 'MalformedFlv'],
    ['parseFlvAudioTag', parseFlvAudioTag, fc.oneof(enhanced, any), 'MalformedFlv'],
    ['containsIdr', containsIdr, any, 'never'],
    ['containsIrap', containsIrap, any, 'never'],
  ] as const)('%s returns or throws its own error', (_, parse, bytes, code) => {
    fc.assert(
      fc.property(bytes, (input) => {
        try {
          parse(input);
        } catch (error) {
          expect(error).toMatchObject({ code });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseAacFormat', () => {
  it.each([
    ['LC 44.1 kHz stereo', [0x12, 0x10], { codecString: 'mp4a.40.2', sampleRateHz: 44_100, channelCount: 2 }],
    ['LC 48 kHz mono', [0x11, 0x88], { codecString: 'mp4a.40.2', sampleRateHz: 48_000, channelCount: 1 }],
    [
      'HE-AAC 24 → 48 kHz',
      [0x2b, 0x11, 0x88, 0x00],
      { codecString: 'mp4a.40.5', sampleRateHz: 48_000, channelCount: 2 },
    ],
  ])('reads %s', (_, bytes, expected) => {
    const configurationRecord = Uint8Array.from(bytes);
    expect(parseAacFormat(configurationRecord)).toEqual({ kind: 'aac', configurationRecord, ...expected });
  });
});

describe('rescale', () => {
  it('is the nearest tick, as bigint arithmetic has it', () => {
    const scale = fc.constantFrom(1000, 44_100, 48_000, 90_000, 10_000_000);
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), scale, scale, (ticks, from, to) => {
        const oracle = (2n * BigInt(ticks) * BigInt(to) + BigInt(from)) / (2n * BigInt(from));
        expect(rescale(ticks, { from, to })).toBe(Number(oracle));
      }),
    );
  });
});
