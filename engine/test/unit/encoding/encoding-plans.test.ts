import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { EncodingPlan, FFmpegRun } from '../../../src/encoding/encoding-plan.ts';
import type { EncoderPreset, EncodingRequest } from '../../../src/encoding/encoding-request.ts';
import { basenameOf, fileName } from '../../../src/encoding/file-names.ts';
import { constantRate, parseFrameRate } from '../../../src/encoding/frame-rate.ts';
import { adaptiveLadder, fixedLadder } from '../../../src/encoding/ladders.ts';
import { stretched } from '../../../src/encoding/picture-size.ts';
import { type PlanResult, planEncoding } from '../../../src/encoding/plan-encoding.ts';
import { parseProbe } from '../../../src/encoding/source-probe.ts';
import { divide } from '../../../src/encoding/timeline.ts';
import { parseServerManifest } from '../../../src/manifests/server-manifest-reader.ts';
import {
  builtIn,
  encodingRequest,
  rate,
  sourceAudio,
  sourceClip,
  sourceFile,
  sourceVideo,
  typed,
} from '../../support/encoding-sources.ts';

type Tracks = NonNullable<EncodingRequest['clips'][number]['inputDefinitions'][number]['includedTracks']>;

const PAL = rate(25);
const NTSC = rate(30_000, 1001);
const FILM = rate(24_000, 1001);
const HD = { width: 1920, height: 1080 };

function planOf(request: EncodingRequest): EncodingPlan {
  const result = planEncoding(request);
  if (result.kind === 'refused') throw new Error(result.message);
  return result.plan;
}

const mediaNames = (plan: EncodingPlan) =>
  plan.files.flatMap((file) => (file.kind === 'made' ? [file.name] : []));
const runsOf = (plan: EncodingPlan): FFmpegRun[] =>
  plan.steps.flatMap((step) =>
    step.kind === 'whole' ? [step.run] : [...step.parts.map(({ run }) => run), step.join],
  );
const refusal = (result: PlanResult) =>
  result.kind === 'refused' ? [result.code, result.message] : undefined;

describe('what ffprobe says of a file', () => {
  const file = { name: 'a.mov', path: 'input-0', sizeBytes: 1000 };
  const format = { format_name: 'mov,mp4', start_time: '0.000000', duration: '10.000000', bit_rate: '8000' };
  const video = {
    index: 0,
    codec_type: 'video',
    codec_name: 'h264',
    width: 1440,
    height: 1080,
    sample_aspect_ratio: '4:3',
    avg_frame_rate: '25/1',
    r_frame_rate: '25/1',
    nb_frames: '250',
    pix_fmt: 'yuv420p',
    field_order: 'tt',
    start_time: '0.040000',
    duration: '10.000000',
    bit_rate: '7000',
    tags: { language: 'und' },
  };
  const sourceOf = (stream: object) => {
    const result = parseProbe({ streams: [{ ...video, ...stream }], format }, file);
    return result.kind === 'source' ? result.source : undefined;
  };

  it('is a source', () => {
    expect(sourceOf({})).toEqual({
      ...file,
      formatName: 'mov,mp4',
      startSeconds: 0,
      durationSeconds: 10.04,
      bitrateBps: 8000,
      video: [
        {
          streamIndex: 0,
          codec: 'h264',
          width: 1440,
          height: 1080,
          pixelAspect: rate(4, 3),
          rotationDegrees: 0,
          frameRate: PAL,
          frameCount: 250,
          isInterlaced: true,
          pixelFormat: 'yuv420p',
          startSeconds: 0.04,
          durationSeconds: 10,
          bitrateBps: 7000,
        },
      ],
      audio: [],
    });
  });

  it.each([
    { name: 'a display matrix', stream: { side_data_list: [{ rotation: -90 }] }, degrees: 90 },
    { name: 'a matrix the other way', stream: { side_data_list: [{}, { rotation: 90 }] }, degrees: 270 },
    { name: 'a tag', stream: { tags: { rotate: '180' } }, degrees: 180 },
    {
      name: 'both: the matrix counts',
      stream: { side_data_list: [{ rotation: 0 }], tags: { rotate: '90' } },
      degrees: 0,
    },
  ])('is turned by $name', ({ stream, degrees }) => {
    expect(sourceOf(stream)?.video[0]?.rotationDegrees).toBe(degrees);
  });

  it.each([
    { name: 'a cover', stream: { disposition: { attached_pic: 1 } } },
    { name: 'subtitles', stream: { codec_type: 'subtitle' } },
    { name: 'pictures of no size', stream: { width: 0 } },
  ])('has no pictures in $name', ({ stream }) => {
    expect(sourceOf(stream)?.video).toEqual([]);
  });

  it.each([
    { json: undefined, code: 'ContentMalformed', message: "'a.mov' is no media file that can be read." },
    {
      json: { streams: [] },
      code: 'ContentMalformed',
      message: "'a.mov' is no media file that can be read.",
    },
    {
      json: { streams: [{ index: -1 }], format },
      code: 'ContentMalformed',
      message: "'a.mov' is no media file that can be read.",
    },
    {
      json: { streams: [{ ...video, width: 20_000 }], format },
      code: 'ContentUnsupported',
      message: "'a.mov' has pictures of 20000x1080 pixels, at most 16384 each way are read.",
    },
  ])('is refused: $message', ({ json, code, message }) => {
    expect(parseProbe(json, file)).toEqual({ kind: 'refused', code, message });
  });

  it('is never believed beyond its limits', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(['source', 'refused']).toContain(parseProbe(JSON.parse(json), file).kind);
      }),
    );
  });
});

describe('frame rates', () => {
  it.each([
    { text: '0/1', expected: undefined },
    { text: '30', expected: rate(30) },
    { text: '29.97', expected: NTSC },
    { text: '30000/1001', expected: NTSC },
    { text: '23.976', expected: FILM },
    { text: '12.5', expected: rate(25, 2) },
  ])('$text', ({ text, expected }) => {
    expect(parseFrameRate(text)).toEqual(expected);
  });

  it.each([
    { name: 'steady', average: PAL, most: PAL, expected: PAL },
    { name: 'imprecise', average: rate(2997, 100), most: rate(2997, 100), expected: NTSC },
    { name: 'variable below a standard', average: rate(83, 4), most: rate(30), expected: rate(30) },
    { name: "variable with the container's clock", average: rate(27), most: rate(90_000), expected: NTSC },
  ])('$name', ({ average, most, expected }) => {
    expect(constantRate(average, most)).toEqual(expected);
  });
});

describe('ladders', () => {
  const rows = (rungs: ReturnType<typeof fixedLadder>) =>
    rungs?.map(({ size, bitrateBps }) => `${size.width}x${size.height} ${bitrateBps / 1000}`);
  const seen = (width: number, height: number, frameRate = NTSC, bitrateBps?: number) => ({
    size: { width, height },
    rate: frameRate,
    bitrateBps,
  });

  it.each([
    {
      name: 'H264MultipleBitrate1080p' as const,
      expected:
        '1920x1080 6000,1920x1080 4700,1280x720 3400,960x540 2250,960x540 1500,640x360 1000,640x360 650,320x180 400',
    },
    {
      name: 'H264MultipleBitrate720p' as const,
      expected: '1280x720 3400,960x540 2250,960x540 1500,640x360 1000,640x360 650,320x180 400',
    },
    {
      name: 'H264MultipleBitrateSD' as const,
      expected: '848x480 1900,848x480 1300,640x360 900,640x360 650,432x240 400',
    },
    { name: 'H264SingleBitrate1080p' as const, expected: '1920x1080 6750' },
    { name: 'H264SingleBitrate720p' as const, expected: '1280x720 4500' },
    { name: 'H264SingleBitrateSD' as const, expected: '848x480 2200' },
    { name: 'H265SingleBitrate720p' as const, expected: '1280x720 1800' },
    { name: 'H265SingleBitrate1080p' as const, expected: '1920x1080 3500' },
    { name: 'H265SingleBitrate4K' as const, expected: '3840x2160 9500' },
  ])('$name', ({ name, expected }) => {
    const source = name === 'H265SingleBitrate4K' ? seen(3840, 2160) : seen(1920, 1080);
    expect(rows(fixedLadder(name, source))?.join(',')).toBe(expected);
  });

  it.each([
    { name: '1080p', source: seen(1920, 1080), kbps: [6780, 3520, 2210, 1150, 720, 380] },
    { name: '720p of film', source: seen(1280, 720, FILM), kbps: [2940, 1850, 960, 600, 320] },
    { name: '360p of 700 kb/s', source: seen(640, 360, NTSC, 700_000), kbps: [700, 440, 230] },
  ])('AdaptiveStreaming of the published sample, $name', ({ source, kbps }) => {
    expect(adaptiveLadder('h264', source).map(({ bitrateBps }) => bitrateBps / 1000)).toEqual(kbps);
  });

  it.each([
    {
      name: '2.15:1',
      source: seen(1920, 892),
      sizes: ['1920x892', '1280x594', '960x446', '640x298', '480x224', '320x148'],
    },
    {
      name: 'upright',
      source: seen(1080, 1920),
      sizes: ['1080x1920', '720x1280', '540x960', '360x640', '270x480', '180x320'],
    },
    {
      name: 'between two sizes',
      source: seen(854, 480),
      sizes: ['854x480', '640x360', '480x270', '320x180'],
    },
    { name: 'smaller than all', source: seen(160, 90), sizes: ['160x90'] },
  ])('AdaptiveStreaming of what is $name', ({ source, sizes }) => {
    expect(adaptiveLadder('h264', source).map(({ size }) => `${size.width}x${size.height}`)).toEqual(sizes);
  });

  it('are even, fall, and are never above the source', () => {
    const sources = fc.record({
      width: fc.integer({ min: 64, max: 4096 }),
      height: fc.integer({ min: 64, max: 4096 }),
      bitrateBps: fc.option(fc.integer({ min: 150_000, max: 50_000_000 }), { nil: undefined }),
      codec: fc.constantFrom('h264' as const, 'h265' as const),
    });
    fc.assert(
      fc.property(sources, ({ width, height, bitrateBps, codec }) => {
        const rungs = adaptiveLadder(codec, seen(width, height, PAL, bitrateBps));
        const isWrong = rungs.filter(
          ({ size, bitrateBps: own }, at) =>
            size.width % 2 !== 0 ||
            size.height % 2 !== 0 ||
            size.width > Math.max(16, width + 1) ||
            size.height > Math.max(16, height + 1) ||
            own > (bitrateBps ?? Number.MAX_VALUE) ||
            own > (rungs[at - 1]?.bitrateBps ?? Number.MAX_VALUE),
        );
        expect(rungs.length).toBeGreaterThan(0);
        expect(isWrong).toEqual([]);
      }),
    );
  });
});

describe('sizes', () => {
  it.each([
    { mode: 'AutoSize' as const, wanted: ['1280', '1280'], size: '1280x720', picture: '1280x720' },
    { mode: 'AutoFit' as const, wanted: ['1280', '1280'], size: '1280x1280', picture: '1280x720' },
    { mode: 'None' as const, wanted: ['1280', '1280'], size: '1280x1280', picture: '1280x1280' },
    { mode: 'AutoSize' as const, wanted: ['50%', '50%'], size: '960x540', picture: '960x540' },
    { mode: 'AutoSize' as const, wanted: [undefined, '360'], size: '640x360', picture: '640x360' },
    { mode: 'AutoSize' as const, wanted: [undefined, undefined], size: '1920x1080', picture: '1920x1080' },
  ])('$mode of $wanted', ({ mode, wanted: [width, height], size, picture }) => {
    const fitted = stretched(HD, { width, height }, mode);
    expect(`${fitted.size.width}x${fitted.size.height}`).toBe(size);
    expect(`${fitted.picture.width}x${fitted.picture.height}`).toBe(picture);
  });
});

describe('names', () => {
  const values = { basename: 'a', extension: '.mp4' };
  it.each([
    {
      pattern: '{Basename}_{Resolution}_{Bitrate}{Extension}',
      values: { ...values, size: HD, bitrateBps: 6_000_400 },
      name: 'a_1920x1080_6000.mp4',
    },
    { pattern: '{basename}-{Index}{EXTENSION}', values: { ...values, index: 7 }, name: 'a-000007.mp4' },
    { pattern: '{Label}{Unknown}{AudioStream}{Codec}{Extension}', values, name: '.mp4' },
    { pattern: '{AudioStream}{Extension}', values: { ...values, audioStream: 2 }, name: 'Audio2.mp4' },
    { pattern: '{Label}{Extension}', values: { ...values, label: '../../etc' }, name: '.._.._etc.mp4' },
  ])('$pattern', ({ pattern, values: known, name }) => {
    expect(fileName(pattern, known)).toBe(name);
  });

  it('take 32 characters of the input, 64 of what is copied', () => {
    const long = `${'x'.repeat(70)}.mp4`;
    expect([basenameOf(long, 'encoded'), basenameOf(long, 'copied')]).toEqual([
      'x'.repeat(32),
      'x'.repeat(64),
    ]);
  });

  it('are names of blobs and of files, whatever they are made of', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary-ascii' }),
        fc.string({ unit: 'binary-ascii' }),
        (pattern, label) => {
          const name = fileName(`${pattern}{Label}{Basename}`, {
            ...values,
            basename: basenameOf(label, 'copied'),
            label,
          });
          expect(name).not.toMatch(/[<>:"/\\|?*\p{Cc}]|[. ]$/u);
          expect(name.length).toBeGreaterThan(0);
          expect(name.length).toBeLessThanOrEqual(256);
          expect(['.', '..']).not.toContain(name);
        },
      ),
    );
  });
});

describe('parts', () => {
  it('cover the time line, none of it twice, and begin with key frames', () => {
    const cases = fc.record({
      frameCount: fc.integer({ min: 1, max: 500_000 }),
      gopFrames: fc.integer({ min: 1, max: 600 }),
      partSeconds: fc.option(fc.integer({ min: 1, max: 600 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(cases, ({ frameCount, gopFrames, partSeconds }) => {
        const parts = divide(frameCount, { rate: NTSC, gopFrames, partSeconds });
        const begins = [0, ...parts.map(({ until }) => until)];
        const isWrong = parts.filter(
          ({ from, until }, at) => from !== begins[at] || until <= from || from % gopFrames !== 0,
        );
        expect([isWrong, begins.at(-1)]).toEqual([[], frameCount]);
        expect(parts.length).toBeLessThanOrEqual(1000);
      }),
    );
  });

  it.each([
    { seconds: 88, parts: 1 },
    { seconds: 90, parts: 5 },
    { seconds: 600, parts: 24 },
    { seconds: 3600, parts: 60 },
  ])('of $seconds s are $parts', ({ seconds, parts }) => {
    const found = divide(seconds * 25, { rate: rate(25), gopFrames: 50, partSeconds: undefined });
    expect(found).toHaveLength(parts);
  });
});

describe('plans', () => {
  it('are the same with experimental options', () => {
    const plain = standard({});
    const preset = { ...plain, experimentalOptions: { tune: 'film' } };
    expect(planOf(encodingRequest(preset))).toEqual(planOf(encodingRequest(plain)));
  });

  it('write the container of the original', () => {
    const plan = planOf(encodingRequest(builtIn('H264MultipleBitrateSD')));
    expect(plan.files.map(({ name }) => name)).toEqual([
      'holiday_848x480_1900.mp4',
      'holiday_848x480_1300.mp4',
      'holiday_640x360_900.mp4',
      'holiday_640x360_650.mp4',
      'holiday_432x240_400.mp4',
      'holiday_manifest.json',
      '00000000-0000-0000-0000-000000000001_metadata.json',
      'holiday.ismc',
      'holiday.ism',
    ]);
    const ism = plan.files.at(-1);
    expect(parseServerManifest(ism?.kind === 'text' ? ism.text : '')).toMatchObject({
      isLive: false,
      tracks: [
        {
          type: 'video',
          source: 'holiday_848x480_1900.mp4',
          bitrateBps: 1_900_000,
          trackId: 1,
          name: 'video',
        },
        { type: 'audio', source: 'holiday_848x480_1900.mp4', bitrateBps: 128_000, trackId: 2, name: 'audio' },
        { type: 'video', source: 'holiday_848x480_1300.mp4', bitrateBps: 1_300_000 },
        { type: 'video', source: 'holiday_640x360_900.mp4', bitrateBps: 900_000 },
        { type: 'video', source: 'holiday_640x360_650.mp4', bitrateBps: 650_000 },
        { type: 'video', source: 'holiday_432x240_400.mp4', bitrateBps: 400_000 },
      ],
    });
  });

  it('are the same each time, and name no folder', () => {
    const request = encodingRequest(builtIn('AdaptiveStreaming'), { partSeconds: 20 });
    expect(planEncoding(request)).toEqual(planEncoding(request));
    for (const { writes, texts } of runsOf(planOf(request))) {
      for (const path of [...writes, ...texts.map((text) => text.path)])
        expect(path).toMatch(/^[a-z0-9-]+\.\w+$/);
    }
  });

  it('divide a long source, encode its parts alike and join them without a seam', () => {
    const plan = planOf(encodingRequest(builtIn('H264SingleBitrate720p'), { partSeconds: 20, threads: 2 }));
    const [sound, pictures, ...others] = plan.steps;
    expect(others).toEqual([]);
    expect(sound?.kind === 'whole' ? sound.run.arguments : []).toEqual([
      ...['-copyts', '-i', 'input-0', '-filter_complex_threads', '2', '-filter_complex'],
      '[0:1]asetpts=floor(PTS-0/TB+0.5),atrim=start=0:end=60,aresample=48000:async=1:first_pts=0,' +
        'aformat=sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo[a0c0];[a0c0]anull[a0o0];' +
        '[a0o0]aformat=sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo[a0]',
      ...['-map', '[a0]', '-map_metadata', '-1', '-map_chapters', '-1', '-fflags', '+bitexact'],
      ...['-flags:a', '+bitexact', '-c:a', 'aac', '-b:a', '128000', 'a0.mp4'],
    ]);
    if (pictures?.kind !== 'divided') throw new Error('the pictures are not divided');
    expect(pictures.parts.map(({ run }) => [run.writes, run.durationSeconds])).toEqual([
      [['v0-0000.mp4'], 20],
      [['v0-0001.mp4'], 20],
      [['v0-0002.mp4'], 20],
    ]);
    expect(pictures.parts[1]?.run.arguments).toEqual([
      ...['-copyts', '-threads', '2', '-noautorotate', '-noaccurate_seek', '-ss', '18', '-i', 'input-0'],
      ...['-filter_complex_threads', '2', '-filter_complex'],
      '[0:0]setpts=floor(PTS-0/TB+0.5),fps=fps=30/1:start_time=20:round=near,tpad=stop_mode=clone:stop=-1,' +
        'trim=end_frame=600[c0];[c0]null,settb=1/30,setpts=N+600[o0];[o0]null[pictures];[pictures]split=1[s0];' +
        '[s0]setpts=PTS-600,trim=end_frame=600,scale=1280:720:flags=bicubic,setsar=1,format=yuv420p[v0]',
      ...['-map', '[v0]', '-map_metadata', '-1', '-map_chapters', '-1', '-fflags', '+bitexact'],
      ...['-fps_mode', 'passthrough', '-flags:v', '+bitexact', '-threads', '2'],
      ...['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3', '-b_strategy', '1', '-refs', '3'],
      ...['-g', '60', '-sc_threshold', '40', '-forced-idr', '1', '-force_key_frames', 'expr:not(mod(n,60))'],
      ...['-b:v', '4500000', '-maxrate', '4950000', '-bufsize', '24750000'],
      ...['-x264-params', 'open-gop=0:ratetol=0.1:vbv-init=0.5', 'v0-0001.mp4'],
    ]);
    expect(pictures.join).toEqual({
      arguments: [
        ...['-f', 'concat', '-auto_convert', '0', '-i', 'v0.txt', '-i', 'a0.mp4'],
        ...['-map', '0:v:0', '-map', '1:a:0', '-c', 'copy', '-map_metadata', '-1', '-map_chapters', '-1'],
        ...['-fflags', '+bitexact', '-movflags', '+faststart', 'f0.mp4'],
      ],
      writes: ['f0.mp4'],
      texts: [
        {
          path: 'v0.txt',
          text: [
            'ffconcat version 1.0',
            ...['0000', '0001', '0002'].flatMap((part) => [`file v0-${part}.mp4`, 'duration 20']),
            '',
          ].join('\n'),
        },
      ],
      durationSeconds: 60,
    });
  });

  it.each([
    {
      name: 'AdaptiveStreaming',
      names: [
        '1920x1080_6790',
        '1280x720_3520',
        '960x540_2210',
        '640x360_1150',
        '480x270_720',
        '320x180_380',
        'AACAudio_128',
      ],
    },
    { name: 'AACGoodQualityAudio', names: ['AACAudio_192'] },
    { name: 'DDGoodQualityAudio', names: ['DDAudio_192'] },
    { name: 'CopyAllBitrateNonInterleaved', names: ['1920x1080_12000', 'AACAudio_128'] },
    { name: 'H265SingleBitrate4K', names: ['1920x1080_9500'] },
  ] as const)('of $name name its files', ({ name, names }) => {
    expect(mediaNames(planOf(encodingRequest(builtIn(name))))).toEqual(
      names.map((one) => `holiday_${one}.mp4`),
    );
  });

  const standard = (more: object): EncoderPreset => ({
    ...typed('StandardEncoderPreset'),
    codecs: [typed('H264Video'), typed('AacAudio')],
    formats: [{ ...typed('Mp4Format'), filenamePattern: '{Basename}_{Label}_{Bitrate}{Extension}' }],
    ...more,
  });
  const thumbnails = (codec: object) =>
    standard({
      codecs: [{ ...typed('JpgImage'), ...codec }],
      formats: [{ ...typed('JpgFormat'), filenamePattern: '{Basename}-{Index}{Extension}' }],
    });

  it.each([
    { name: 'the best', codec: { start: '{Best}' }, count: 1 },
    { name: 'every ten percent', codec: { start: '0%' }, count: 10 },
    { name: 'by time', codec: { start: 'PT10S', step: 'PT5S', range: 'PT20S' }, count: 4 },
    { name: 'by frames', codec: { start: '0', step: '100', range: '450' }, count: 5 },
    { name: 'one', codec: { start: '25%', range: '1' }, count: 1 },
  ])('take thumbnails: $name', ({ codec, count }) => {
    const numbers = Array.from(
      { length: count },
      (_, at) => `holiday-${String(at + 1).padStart(6, '0')}.jpg`,
    );
    expect(mediaNames(planOf(encodingRequest(thumbnails(codec))))).toEqual(numbers);
  });

  it('put thumbnails into one image with a list of where each is', () => {
    const layers = [{ width: '160', height: '90' }];
    const plan = planOf(encodingRequest(thumbnails({ start: '0', step: 'PT20S', spriteColumn: 2, layers })));
    const vtt = plan.files.find(({ name }) => name === 'holiday-000001.vtt');
    expect(mediaNames(plan)).toEqual(['holiday-000001.jpg']);
    expect(vtt?.kind === 'text' ? vtt.text : '').toBe(
      [
        'WEBVTT\n',
        '00:00:00.000 --> 00:00:20.000\nholiday-000001.jpg#xywh=0,0,160,90\n',
        '00:00:20.000 --> 00:00:40.000\nholiday-000001.jpg#xywh=160,0,160,90\n',
        '00:00:40.000 --> 00:01:00.000\nholiday-000001.jpg#xywh=0,90,160,90\n',
      ].join('\n'),
    );
  });

  it('mux what outputFiles name', () => {
    const preset = standard({
      codecs: [
        { ...typed('AacAudio'), label: 'sound' },
        {
          ...typed('H264Video'),
          layers: [
            { bitrate: 2_000_000, label: 'HD' },
            { bitrate: 500_000, label: 'SD', height: '360' },
          ],
        },
      ],
      formats: [
        {
          ...typed('TransportStreamFormat'),
          filenamePattern: '{Basename}_{Label}_{Codec}_{Resolution}{Extension}',
          outputFiles: [{ labels: ['SD', 'sound'] }, { labels: ['HD'] }],
        },
      ],
    });
    const plan = planOf(encodingRequest(preset));
    expect(plan.files.map(({ name }) => name)).toEqual([
      'holiday_SD_H264_640x360.ts',
      'holiday_HD_H264_1920x1080.ts',
      'holiday_manifest.json',
      '00000000-0000-0000-0000-000000000001_metadata.json',
    ]);
  });

  it('select tracks by id and by attribute, and make channels of them', () => {
    const german = sourceAudio({ streamIndex: 2, language: 'deu', bitrateBps: 96_000 });
    const files = [sourceFile({ audio: [sourceAudio({ language: 'eng' }), german] })];
    const soundOf = (includedTracks: Tracks) => {
      const inputDefinitions = [{ ...typed('FromAllInputFile'), includedTracks }];
      const clips = [sourceClip(files, { inputDefinitions })];
      const [step] = planOf(encodingRequest(builtIn('AACGoodQualityAudio'), { clips })).steps;
      return step?.kind === 'whole'
        ? (step.run.arguments[step.run.arguments.indexOf('-filter_complex') + 1] ?? '')
        : '';
    };
    const byAttribute = (
      attribute: 'Bitrate' | 'Language',
      filter: 'Top' | 'Bottom' | 'ValueEquals',
      filterValue?: string,
    ): Tracks => [{ ...typed('SelectAudioTrackByAttribute'), attribute, filter, filterValue }];
    expect(soundOf([{ ...typed('SelectAudioTrackById'), trackId: 2 }])).toMatch(/^\[0:2]/);
    expect(soundOf(byAttribute('Language', 'ValueEquals', 'de-DE'))).toMatch(/^\[0:2]/);
    expect(soundOf(byAttribute('Bitrate', 'Top'))).toMatch(/^\[0:1]/);
    expect(soundOf(byAttribute('Bitrate', 'Bottom'))).toMatch(/^\[0:2]/);
    expect(soundOf([typed('AudioTrackDescriptor')])).toMatch(/^\[0:1].*;\[1:2].*\[a1]$/);
    const stereo: Tracks = [
      { ...typed('SelectAudioTrackById'), trackId: 2, channelMapping: 'StereoLeft' },
      { ...typed('SelectAudioTrackById'), trackId: 1, channelMapping: 'StereoRight' },
    ];
    expect(soundOf(stereo)).toContain(
      '[a0c0m0][a0c0m1]join=inputs=2:channel_layout=stereo:map=0.0-FL|1.0-FR',
    );
  });

  const soundOnly = [sourceClip([sourceFile({ video: [] })])];
  const outside = { ...typed('AbsoluteClipTime'), time: 'PT2M' };
  it.each([
    {
      name: 'pictures of sound',
      request: encodingRequest(builtIn('H264SingleBitrateSD'), { clips: soundOnly }),
      expected: ['ContentUnsupported', "'holiday.mp4' has no pictures, which the preset encodes."],
    },
    {
      name: 'sound of silence',
      request: encodingRequest(builtIn('AACGoodQualityAudio'), {
        clips: [sourceClip([sourceFile({ audio: [] })])],
      }),
      expected: ['ContentUnsupported', "'holiday.mp4' has no sound, which the preset encodes."],
    },
    {
      name: 'nothing',
      request: encodingRequest(builtIn('AdaptiveStreaming'), {
        clips: [sourceClip([sourceFile({ video: [], audio: [] })])],
      }),
      expected: ['ContentUnsupported', "'holiday.mp4' has neither pictures nor sound."],
    },
    {
      name: 'a clip outside of its file',
      request: encodingRequest(builtIn('AdaptiveStreaming'), {
        clips: [sourceClip([sourceFile()], { start: outside })],
      }),
      expected: ['ConfigurationUnsupported', "'holiday.mp4' lasts 60.000 s: the clip lies outside of it."],
    },
    {
      name: 'a copy of what MP4 does not take',
      request: encodingRequest(builtIn('CopyAllBitrateNonInterleaved'), {
        clips: [sourceClip([sourceFile({ video: [sourceVideo({ codec: 'prores' })] })])],
      }),
      expected: [
        'ContentUnsupported',
        "'holiday.mp4' has pictures of the codec 'prores', which cannot be copied into MP4.",
      ],
    },
    {
      name: 'a copied sequence',
      request: encodingRequest(builtIn('CopyAllBitrateNonInterleaved'), {
        clips: [sourceClip([sourceFile()]), sourceClip([sourceFile()])],
      }),
      expected: [
        'ConfigurationUnsupported',
        'Clips are put together by encoding them: tracks of a sequence cannot be copied.',
      ],
    },
    {
      name: 'a profile of AAC that there is no encoder for',
      request: encodingRequest(standard({ codecs: [{ ...typed('AacAudio'), profile: 'HeAacV1' }] })),
      expected: [
        'ConfigurationUnsupported',
        'The AAC profile HeAacV1 cannot be encoded: FFmpeg as it is installed here has no encoder for HE-AAC. Choose AacLc.',
      ],
    },
    {
      name: 'two files of one name',
      request: encodingRequest(
        standard({
          codecs: [
            { ...typed('H264Video'), layers: [{ bitrate: 500_000 }, { bitrate: 500_000, height: '360' }] },
          ],
        }),
      ),
      expected: [
        'ConfigurationUnsupported',
        "Two files of the output would be named 'holiday__500.mp4': the pattern needs a macro that tells them apart.",
      ],
    },
    {
      name: 'more images than anybody wants',
      request: encodingRequest(thumbnails({ start: '0', step: '1' }), {
        clips: [
          sourceClip([
            sourceFile({ video: [sourceVideo({ durationSeconds: 3600, frameCount: undefined })] }),
          ]),
        ],
      }),
      expected: [
        'ConfigurationUnsupported',
        'The preset asks for 108000 images of this source, at most 10000 are made.',
      ],
    },
    {
      name: 'a track that is not there',
      request: encodingRequest(builtIn('AACGoodQualityAudio'), {
        clips: [
          sourceClip([sourceFile()], {
            inputDefinitions: [
              {
                ...typed('FromAllInputFile'),
                includedTracks: [{ ...typed('SelectAudioTrackById'), trackId: 9 }],
              },
            ],
          }),
        ],
      }),
      expected: ['ContentUnsupported', 'The input has no audio track with the id 9.'],
    },
  ])('refuse $name', ({ request, expected }) => {
    expect(refusal(planEncoding(request))).toEqual(expected);
  });

  it('look at the content: less bits where there is less to see', () => {
    const preset = builtIn('ContentAwareEncoding');
    const namesFor = (analysisBytes?: number) =>
      mediaNames(planOf(encodingRequest(preset, { analysisBytes })));
    expect(namesFor(1_150_000)).toEqual([
      'holiday_1920x1080_3890.mp4',
      'holiday_1280x720_2020.mp4',
      'holiday_960x540_1270.mp4',
      'holiday_640x360_660.mp4',
      'holiday_480x270_410.mp4',
      'holiday_320x180_220.mp4',
      'holiday_AACAudio_128.mp4',
    ]);
    const configured: EncoderPreset = {
      ...preset,
      configurations: {
        maxLayers: 2,
        maxHeight: 720,
        minHeight: 360,
        maxBitrateBps: 1_500_000,
        interleaveOutput: 'InterleavedOutput',
      },
    };
    expect(mediaNames(planOf(encodingRequest(configured, { analysisBytes: 1_150_000 })))).toEqual([
      'holiday_1280x720_1500.mp4',
      'holiday_640x360_660.mp4',
    ]);
  });
});
