import { describe, expect, it } from '@jest/globals';
import { parseAacFormat } from '../../src/codecs/aac.ts';
import { parseH264Sps } from '../../src/codecs/h264-sps.ts';
import { containsIrap, parseHevcFormat } from '../../src/codecs/hevc.ts';
import { pictureOf } from '../../src/codecs/video-picture.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

describe('parseH264Sps, of parameter sets made by libx264 (FFmpeg 5.1)', () => {
  it.each([
    ['1080p, cropped from 1088', '67640028acd940780227e5c044000003000400000300c83c60c658', [1920, 1080, 25]],
    ['1080i, field pairs', '67640028acd94078044fde0220000003002000000643e2c5b2c0', [1920, 1080, 25]],
    ['30000/1001', '6764001facd9405005bb011000003e90000ea600f1831960', [1280, 720, 30_000 / 1001]],
    ['4:2:2, 10 bit', '677a001fb6cd940b4126c044000003000400000301903c60c658', [720, 576, 50]],
    ['constrained baseline, 854 wide', '6742c01ed900d83de6f011000003000100000300320f162e48', [854, 480, 25]],
    ['main, 426 wide', '674d4015eca0d8ff2780880000030008000003018078b16cb0', [426, 240, 24]],
    ['4:4:4', '67f40015919b28363fcfe022000003000200000300641e2c5b2c', [426, 240, 25]],
  ] as const)('reads %s', (_, hex, expected) => {
    const { width, height, vui } = parseH264Sps(bytes(hex));
    expect([width, height, vui.frameRate]).toEqual(expected);
  });
});

describe('parseHevcFormat, of records made by libx265 (FFmpeg 5.1)', () => {
  it.each([
    [
      '1080p',
      '01016000000090000000000078f000fcfdf8f800000f03200001001840010c01ffff016000000300900000030000030078959809210001002a420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c8422000100074401c172b46240',
      [1920, 1080, 25, undefined],
      'hvc1.1.6.L120.90',
    ],
    [
      '30000/1001, 10 bit',
      '0102200000009000000000003cf000fcfdfafa00000f03200001001840010c01ffff02200000030090000003000003003c959809210001002942010102200000030090000003000003003ca00d880f1c9b65959a4932bc05a02000007d20000ea60122000100074401c172b46240',
      [426, 240, 30_000 / 1001, undefined],
      'hvc1.2.4.L60.90',
    ],
    [
      '4:2:2, 10 bit, full range',
      '0104080000009d08000000005df000fcfefafa00000f03200001001740010c01ffff0408000003009d0800000300005d959809210001002e4201010408000003009d0800000300005db006b201e1d6d96566924caf0c6e02020208000003000800000301904022000100074401c172b46240',
      [854, 480, 50, [64, 33]],
      'hvc1.4.10.L93.9D.8',
    ],
    [
      '4:4:4 with scaling lists',
      '0104080000009e08000000003ff000fcfff8f800000f03200001001740010c01ffff0408000003009e0800000300003f959809210001002a4201010408000003009e0800000300003f9000a0402d2cb2b349272bc05a02000003000200000300301022000100084401c172860c4624',
      [640, 360, 24, undefined],
      'hvc1.4.10.L63.9E.8',
    ],
    [
      'fields',
      '0101600000004000000000005af000fcfdf8f800000f03200001001840010c01ffff01600000030040000003000003005a959809210001002b42010101600000030040000003000003005aa005a20090596566924caf016868000003000800000300c84022000100074401c172b46240',
      [720, 576, 25, undefined],
      'hvc1.1.6.L90.40',
    ],
    [
      'two temporal layers and an HRD',
      '01016000000090000000000099f002fffdf8f800001303200001001c40010c02ffff01600000030090000003000003009900009598acc04821000100404201020160000003009000000300000300990000a00280802d1659598acd24995e02d010000003001000000301e609c906e000f424001e84b8003d090007a12222000100074401c172b46240',
      [1280, 720, 30, undefined],
      'hvc1.1.6.L153.90',
    ],
    [
      'sample aspect ratio, HDR colours',
      '010160000000900000000000b4f000fcfdf8f800000f03200001001840010c01ffff0160000003009000000300000300b495980921000100324201010160000003009000000300000300b4a005a20090596566924cafff0040002d6a12201208000003000800000300c84022000100074401c172b46240',
      [720, 576, 25, [64, 45]],
      'hvc1.1.6.L180.90',
    ],
  ] as const)('reads %s as ffprobe does', (_, hex, expected, codecString) => {
    const format = parseHevcFormat(bytes(hex));
    const aspect = pictureOf(format).sampleAspectRatio;
    const { width, height, frameRate } = format;
    const shape = aspect?.width === aspect?.height ? undefined : [aspect?.width, aspect?.height];
    expect([[width, height, frameRate, shape], format.codecString]).toEqual([expected, codecString]);
  });

  it('marks the parameter sets as complete, as hvc1 wants, and leaves the given bytes alone', () => {
    const given = bytes(
      '01016000000090000000000078f000fcfdf8f800000f03200001001840010c01ffff016000000300900000030000030078959809210001002a420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c8422000100074401c172b46240',
    );
    const before = given.slice();
    const { configurationRecord } = parseHevcFormat(given);
    const changed = [...configurationRecord.keys()].filter((i) => configurationRecord[i] !== given[i]);
    expect(changed.map((i) => [given[i], configurationRecord[i]])).toEqual([
      [32, 160],
      [33, 161],
      [34, 162],
    ]);
    expect(given).toEqual(before);
  });

  it('reads the colours of HDR10', () => {
    expect(
      pictureOf(
        parseHevcFormat(
          bytes(
            '010160000000900000000000b4f000fcfdf8f800000f03200001001840010c01ffff0160000003009000000300000300b495980921000100324201010160000003009000000300000300b4a005a20090596566924cafff0040002d6a12201208000003000800000300c84022000100074401c172b46240',
          ),
        ),
      ).colour,
    ).toEqual({
      primaries: 9,
      transfer: 16,
      matrix: 9,
      isFullRange: false,
    });
  });
});

describe('containsIrap', () => {
  it.each([
    ['IDR after parameter sets', '00000002 4001 00000002 4201 00000003 2601af', true],
    ['CRA', '00000003 2a01af', true],
    ['BLA', '00000003 2001af', true],
    ['trailing picture', '00000003 0201d0', false],
    ['trailing picture before an IDR', '00000003 0201d0 00000003 2601af', false],
    ['parameter sets alone', '00000002 4001 00000002 4201', false],
    ['a length past the end', '000000ff 2601af', false],
    ['nothing', '', false],
  ])('%s', (_, hex, expected) => {
    expect(containsIrap(bytes(hex.replaceAll(' ', '')))).toBe(expected);
  });
});

describe('parseAacFormat, of configs made by FFmpeg 5.1', () => {
  it.each([
    ['5.1', '11b056e500', 48_000, 6],
    ['7.1', '11b856e500', 48_000, 8],
    ['3.1 by program config element', '118004c8010020000d4c61766335392e33372e31303056e500', 48_000, 4],
    ['6.1 by program config element', '118004c848002000c4400d4c61766335392e33372e31303056e500', 48_000, 7],
    ['96 kHz', '101056e500', 96_000, 2],
    ['7350 Hz', '160856e500', 7350, 1],
  ])('reads %s', (_, hex, sampleRateHz, channelCount) => {
    expect(parseAacFormat(bytes(hex))).toMatchObject({
      sampleRateHz,
      channelCount,
      codecString: 'mp4a.40.2',
    });
  });
});
