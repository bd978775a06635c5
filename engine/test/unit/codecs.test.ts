import { describe, expect, it } from '@jest/globals';
import { parseAacFormat } from '../../src/codecs/aac.ts';
import { parseH264Sps } from '../../src/codecs/h264-sps.ts';

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
