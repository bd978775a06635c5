import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { accountScope } from '../../src/resources/account-scope.ts';
import {
  type JobError,
  type JobRecord,
  newJob,
  parseJobBody,
  parseJobPatch,
  toArmJob,
  updatedJob,
} from '../../src/resources/encoding/job.ts';
import { jobEvents } from '../../src/resources/encoding/job-events.ts';
import * as state from '../../src/resources/encoding/job-state.ts';
import { isPictureLength, parseMediaPosition } from '../../src/resources/encoding/media-position.ts';
import { withDefaults } from '../../src/resources/encoding/preset-defaults.ts';
import { parseTransformBody, parseTransformPatch } from '../../src/resources/encoding/transform.ts';
import { PRESETS } from '../support/preset-cases.ts';

const VERSION = '2022-07-01';
const NOW = '2026-01-01T00:00:00.000Z';
const CALLER = { id: 'test' };
const SCOPE = accountScope(
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/providers/Microsoft.Media/mediaservices/a',
  'local',
);
const type = (name: string) => ({ '@odata.type': `#Microsoft.Media.${name}` });

const parsePreset = (preset: object) =>
  parseTransformBody({ properties: { outputs: [{ preset }] } }, VERSION).outputs[0]?.preset;

/** The message of the refusal; undefined when there is none. */
function refused(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const invalid = (field: string, reason: string) => `The field '${field}' is invalid: ${reason}.`;
const AT = 'properties.outputs[0].preset';
const MP4 = { ...type('Mp4Format'), filenamePattern: '{Basename}_{Label}_{Bitrate}{Extension}' };
const H264 = type('H264Video');

const encoder = (more: { codecs?: object[]; formats?: object[]; filters?: object }) => ({
  ...type('StandardEncoderPreset'),
  codecs: [H264],
  formats: [MP4],
  ...more,
});

const layer = (more: object) => encoder({ codecs: [{ ...H264, layers: [{ bitrate: 1_000_000, ...more }] }] });
const LAYER = `${AT}.codecs[0].layers[0]`;
const jpg = (more: object) =>
  encoder({
    codecs: [{ ...type('JpgImage'), start: '{Best}', ...more }],
    formats: [{ ...type('JpgFormat'), filenamePattern: '{Basename}-{Index}{Extension}' }],
  });
const overlay = (more: object) =>
  encoder({ filters: { overlays: [{ ...type('VideoOverlay'), inputLabel: 'logo', ...more }] } });
const POSITION =
  'an ISO 8601 duration such as PT5S, a frame count such as 10 or a percentage up to 100% is expected';
const LENGTH = 'pixels up to 16384 such as 1280 or a percentage up to 1000% such as 50% are expected';

describe('presets', () => {
  it.each(PRESETS)('$name gets the defaults of the service, once and for all', ({ sent, answered }) => {
    expect(parsePreset(sent)).toEqual(answered);
    expect(parsePreset(answered)).toEqual(answered);
  });

  it.each([
    { preset: encoder({ codecs: [] }), message: 'Invalid enocer preset: No codecs specified.' },
    { preset: encoder({ formats: [] }), message: invalid(`${AT}.formats`, 'it is empty') },
    {
      preset: layer({ bitrate: 0 }),
      message: invalid(`${LAYER}.bitrate`, '0 is out of range, 1 to 2147483647 is allowed'),
    },
    {
      preset: layer({ maxBitrate: 999_999 }),
      message: invalid(`${LAYER}.maxBitrate`, '999999 is out of range, 1000000 to 2147483647 is allowed'),
    },
    { preset: layer({ width: '1280px' }), message: invalid(`${LAYER}.width`, `${LENGTH}, not '1280px'`) },
    { preset: layer({ height: '0' }), message: invalid(`${LAYER}.height`, `${LENGTH}, not '0'`) },
    {
      preset: layer({ crf: 52 }),
      message: invalid(`${LAYER}.crf`, '52 is out of range, 0 to 51 is allowed'),
    },
    {
      preset: layer({ bufferWindow: 'PT0.05S' }),
      message: invalid(`${LAYER}.bufferWindow`, 'PT0.05S is out of range, PT0.1S to PT100S is allowed'),
    },
    {
      preset: layer({ referenceFrames: 17 }),
      message: invalid(`${LAYER}.referenceFrames`, '17 is out of range, 1 to 16 is allowed'),
    },
    {
      preset: layer({ frameRate: '30000/0' }),
      message: invalid(
        `${LAYER}.frameRate`,
        "M/N such as 30000/1001 or a number such as 29.97, up to 300, is expected, not '30000/0'",
      ),
    },
    {
      preset: layer({ level: '7' }),
      message: invalid(
        `${LAYER}.level`,
        "'7' is none of Auto, 1, 1b, 1.1, 1.2, 1.3, 2, 2.1, 2.2, 3, 3.1, 3.2, 4, 4.1, 4.2, 5, 5.1, 5.2, 6, 6.1, 6.2",
      ),
    },
    {
      preset: encoder({ codecs: [{ ...H264, keyFrameInterval: 'PT0.4S' }] }),
      message: invalid(
        `${AT}.codecs[0].keyFrameInterval`,
        'PT0.4S is out of range, PT0.5S to PT20S is allowed',
      ),
    },
    {
      preset: encoder({ codecs: [{ ...H264, keyFrameInterval: 'PT21S' }] }),
      message: invalid(
        `${AT}.codecs[0].keyFrameInterval`,
        'PT21S is out of range, PT0.5S to PT20S is allowed',
      ),
    },
    {
      preset: encoder({ codecs: [type('Video')] }),
      message: invalid(
        `${AT}.codecs[0].@odata.type`,
        'Video is what several codecs have in common, not a codec',
      ),
    },
    {
      preset: encoder({ codecs: [{ ...type('DDAudio'), bitrate: 100_000 }] }),
      message: invalid(
        `${AT}.codecs[0].bitrate`,
        '100000 is none of 32000, 40000, 48000, 56000, 64000, 80000, 96000, 112000, 128000, 160000, 192000, 224000, 256000, 320000, 384000, 448000, 512000, 576000, 640000',
      ),
    },
    {
      preset: encoder({ codecs: [{ ...type('DDAudio'), channels: 3 }] }),
      message: invalid(`${AT}.codecs[0].channels`, '3 is none of 1, 2, 6'),
    },
    {
      preset: encoder({ codecs: [{ ...type('AacAudio'), samplingRate: 44_000 }] }),
      message: invalid(
        `${AT}.codecs[0].samplingRate`,
        '44000 is none of 96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000',
      ),
    },
    {
      preset: encoder({ codecs: [{ ...type('AacAudio'), profile: 'HeAacV2', channels: 1 }] }),
      message: invalid(`${AT}.codecs[0].channels`, 'HeAacV2 has 2 channels, not 1'),
    },
    {
      preset: jpg({ start: 'best' }),
      message: invalid(`${AT}.codecs[0].start`, `{Best} or ${POSITION}, not 'best'`),
    },
    {
      preset: jpg({ step: '0' }),
      message: invalid(`${AT}.codecs[0].step`, `${POSITION} that is not zero, not '0'`),
    },
    {
      preset: jpg({ range: '101%' }),
      message: invalid(`${AT}.codecs[0].range`, `${POSITION} that is not zero, not '101%'`),
    },
    {
      preset: jpg({ layers: [{ quality: 101 }] }),
      message: invalid(`${AT}.codecs[0].layers[0].quality`, '101 is out of range, 0 to 100 is allowed'),
    },
    {
      preset: jpg({ spriteColumn: 0 }),
      message: invalid(`${AT}.codecs[0].spriteColumn`, '0 is out of range, 1 to 65535 is allowed'),
    },
    {
      preset: encoder({ formats: [{ ...type('PngFormat'), filenamePattern: '{Index}' }] }),
      message: invalid(
        `${AT}.codecs[0]`,
        "there is no Mp4Format or TransportStreamFormat for it in 'formats'",
      ),
    },
    {
      preset: encoder({ formats: [MP4, { ...type('PngFormat'), filenamePattern: '{Index}' }] }),
      message: invalid(`${AT}.formats[1]`, "there is no codec for it in 'codecs'"),
    },
    {
      preset: encoder({ formats: [{ ...type('MultiBitrateFormat'), filenamePattern: 'a' }] }),
      message: invalid(
        `${AT}.formats[0].@odata.type`,
        'MultiBitrateFormat is what several formats have in common, not a format',
      ),
    },
    {
      preset: encoder({ formats: [{ ...MP4, filenamePattern: 'a/b' }] }),
      message: invalid(
        `${AT}.formats[0].filenamePattern`,
        'none of < > : " / \\ | ? * and no control characters are allowed',
      ),
    },
    {
      preset: encoder({ formats: [{ ...MP4, outputFiles: [{ labels: ['x'] }] }] }),
      message: invalid(`${AT}.formats[0].outputFiles[0].labels`, "no codec and no layer has the label 'x'"),
    },
    {
      preset: encoder({
        codecs: [{ ...H264, layers: [{ bitrate: 1 }, { bitrate: 2 }] }],
        formats: [{ ...MP4, filenamePattern: '{Basename}{Extension}' }],
      }),
      message: invalid(
        `${AT}.formats[0].filenamePattern`,
        'it gives 2 files the same name: {Label}, {Bitrate} or {Resolution} is needed',
      ),
    },
    {
      preset: encoder({
        codecs: [{ ...type('PngImage'), start: '1' }],
        formats: [{ ...type('PngFormat'), filenamePattern: '{Basename}{Extension}' }],
      }),
      message: invalid(`${AT}.formats[0].filenamePattern`, 'the names of images need the macro {Index}'),
    },
    {
      preset: overlay({ inputLabel: '' }),
      message: invalid(`${AT}.filters.overlays[0].inputLabel`, 'it is empty'),
    },
    {
      preset: overlay({ opacity: 1.1 }),
      message: invalid(`${AT}.filters.overlays[0].opacity`, '1.1 is out of range, 0 to 1 is allowed'),
    },
    {
      preset: overlay({ start: 'PT5S', end: 'PT5S' }),
      message: invalid(`${AT}.filters.overlays[0].end`, 'PT5S is not after the start, PT5S'),
    },
    {
      preset: encoder({ filters: { crop: { width: '0' } } }),
      message: invalid(`${AT}.filters.crop.width`, `${LENGTH}, not '0'`),
    },
    {
      preset: encoder({ filters: { fadeIn: { duration: 'PT0S', fadeColor: 'black' } } }),
      message: invalid(`${AT}.filters.fadeIn.duration`, `${POSITION} that is not zero, not 'PT0S'`),
    },
    {
      preset: encoder({ filters: { fadeOut: { duration: 'PT1S', fadeColor: 'rgb(256,0,0)' } } }),
      message: invalid(
        `${AT}.filters.fadeOut.fadeColor`,
        "a CSS Level 1 color, rgb(255,0,0), 0xFF0000 or #FF0000 is expected, not 'rgb(256,0,0)'",
      ),
    },
    {
      preset: { ...type('AudioAnalyzerPreset'), mode: 'Basic' },
      message: invalid(
        `${AT}.audioLanguage`,
        'it is required with the mode Basic, which does not detect languages',
      ),
    },
    {
      preset: { ...type('VideoAnalyzerPreset'), audioLanguage: 'english' },
      message: invalid(`${AT}.audioLanguage`, "a BCP-47 language such as en-US is expected, not 'english'"),
    },
    {
      preset: {
        ...type('BuiltInStandardEncoderPreset'),
        presetName: 'H265ContentAwareEncoding',
        configurations: { minHeight: 720, maxHeight: 360 },
      },
      message: invalid(`${AT}.configurations.maxHeight`, '360 is out of range, 720 to 16384 is allowed'),
    },
  ])('are refused: $message', ({ preset, message }) => {
    expect(refused(() => parsePreset(preset))).toBe(message);
  });

  it.each([
    { name: 'all frame rates there are', preset: layer({ frameRate: '0/1' }) },
    { name: 'levels with a zero', preset: layer({ level: '4.0' }) },
    { name: 'the best thumbnail in any letter case', preset: jpg({ start: '{best}' }) },
    {
      name: 'names of colors',
      preset: encoder({ filters: { fadeIn: { duration: 'PT1S', fadeColor: 'Black' } } }),
    },
    {
      name: 'a mode without sound',
      preset: { ...type('VideoAnalyzerPreset'), mode: 'Basic', insightsToExtract: 'VideoInsightsOnly' },
    },
    {
      name: 'fades that last a share of the whole',
      preset: encoder({ filters: { fadeOut: { duration: '10%', fadeColor: '0xFF0000' } } }),
    },
    {
      name: 'macros nobody knows',
      preset: encoder({ formats: [{ ...MP4, filenamePattern: '{Basename}{Whatever}' }] }),
    },
  ])('are accepted: $name', ({ preset }) => {
    expect(refused(() => parsePreset(preset))).toBeUndefined();
  });

  it('have defaults that do not change anything that was sent, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const once = withDefaults(value, 'H264Video');
        expect(withDefaults(once, 'H264Video')).toEqual(once);
      }),
    );
  });
});

describe('positions and lengths', () => {
  it.each([
    { text: 'PT1M5S', value: { kind: 'time', ms: 65_000 } },
    { text: '10', value: { kind: 'frames', count: 10 } },
    { text: '12.5%', value: { kind: 'percent', percent: 12.5 } },
    { text: '100.1%', value: undefined },
    { text: '-1', value: undefined },
    { text: '', value: undefined },
    { text: '1e3', value: undefined },
  ])("'$text' is read or refused", ({ text, value }) => {
    expect(parseMediaPosition(text)).toEqual(value);
  });

  it.each([
    { text: '0', min: 0, is: true },
    { text: '0', min: 1, is: false },
    { text: '0%', min: 1, is: false },
    { text: '16384', min: 1, is: true },
    { text: '16385', min: 1, is: false },
    { text: '1000.5%', min: 0, is: false },
  ] as const)("'$text' from $min on: $is", ({ text, min, is }) => {
    expect(isPictureLength(text, min)).toBe(is);
  });
});

describe('transforms', () => {
  it('have 1 to 20 outputs', () => {
    const outputs = (count: number) =>
      Array.from({ length: count }, () => ({ preset: type('FaceDetectorPreset') }));
    const parse = (count: number) => () =>
      parseTransformBody({ properties: { outputs: outputs(count) } }, VERSION);
    expect(parse(20)().outputs).toHaveLength(20);
    expect(refused(parse(0))).toBe(invalid('properties.outputs', 'it has 0 items, at least 1 is required'));
    expect(refused(parse(21))).toBe(invalid('properties.outputs', 'it has 21 items, at most 20 are allowed'));
  });

  it('are patched by what is sent', () => {
    expect(parseTransformPatch({ properties: { description: null } }, VERSION)).toEqual({
      description: null,
    });
    expect(parseTransformPatch({ properties: {} }, VERSION)).toEqual({});
  });

  it('are refused when they are too large to be kept', () => {
    const outputs = Array.from({ length: 20 }, () => ({
      preset: {
        ...type('FaceDetectorPreset'),
        experimentalOptions: {
          a: 'x'.repeat(4000),
          b: 'x'.repeat(4000),
          c: 'x'.repeat(4000),
          d: 'x'.repeat(4000),
        },
      },
    }));
    expect(refused(() => parseTransformBody({ properties: { outputs } }, VERSION))).toMatch(
      /its JSON has \d+ characters, at most 262144 are allowed/,
    );
  });
});

const ASSET = { ...type('JobInputAsset'), assetName: 'in' };
const OUTPUT = { ...type('JobOutputAsset'), assetName: 'out' };
const transformOutputs = (count: number, overlays: string[] = []) =>
  parseTransformBody(
    {
      properties: {
        outputs: Array.from({ length: count }, () => ({
          preset: encoder({
            filters: { overlays: overlays.map((inputLabel) => ({ ...type('VideoOverlay'), inputLabel })) },
          }),
        })),
      },
    },
    VERSION,
  ).outputs;

function makeJob(properties: object, outputs = transformOutputs(1)) {
  const body = parseJobBody(
    { properties: { outputs: outputs.map(() => OUTPUT), ...properties } },
    VERSION,
    outputs,
  );
  return newJob(body, {
    name: 'j',
    transformName: 't',
    transformOutputs: outputs,
    caller: CALLER,
    nowIso: NOW,
  });
}

describe('jobs', () => {
  it.each([
    { input: ASSET, shown: { ...ASSET, files: [], inputDefinitions: [] } },
    {
      input: { ...type('JobInputHttp'), baseUri: 'https://h/a/?x=1', files: ['b.mp4?sig=2'] },
      shown: { ...type('JobInputHttp'), baseUri: 'https://h/a/', files: ['b.mp4'], inputDefinitions: [] },
    },
    {
      input: {
        ...type('JobInputSequence'),
        inputs: [ASSET, { ...type('JobInputHttp'), files: ['https://h/b.mp4?sig=2'] }],
      },
      shown: {
        ...type('JobInputSequence'),
        inputs: [
          { ...ASSET, files: [], inputDefinitions: [] },
          { ...type('JobInputHttp'), files: ['https://h/b.mp4'], inputDefinitions: [] },
        ],
      },
    },
    {
      input: {
        ...type('JobInputs'),
        inputs: [
          {
            ...ASSET,
            start: { ...type('AbsoluteClipTime'), time: 'PT1S' },
            end: { ...type('AbsoluteClipTime'), time: 'PT2S' },
            inputDefinitions: [
              {
                ...type('InputFile'),
                filename: 'a.mp4',
                includedTracks: [
                  { ...type('SelectAudioTrackById'), trackId: 2, channelMapping: 'FrontLeft' },
                ],
              },
              type('FromAllInputFile'),
            ],
          },
        ],
      },
      shown: {
        ...type('JobInputs'),
        inputs: [
          {
            ...ASSET,
            files: [],
            start: { ...type('AbsoluteClipTime'), time: 'PT1S' },
            end: { ...type('AbsoluteClipTime'), time: 'PT2S' },
            inputDefinitions: [
              {
                ...type('InputFile'),
                filename: 'a.mp4',
                includedTracks: [
                  { ...type('SelectAudioTrackById'), trackId: 2, channelMapping: 'FrontLeft' },
                ],
              },
              { ...type('FromAllInputFile'), includedTracks: [] },
            ],
          },
        ],
      },
    },
  ])('show their $input.@odata.type without what may be secret', ({ input, shown }) => {
    const { job, plan } = makeJob({ input });
    expect(toArmJob(SCOPE, job)).toMatchObject({ properties: { input: shown } });
    expect(JSON.stringify(job)).not.toMatch(/sig|x=1/);
    expect(JSON.stringify(plan.input).match(/sig/g) ?? []).toHaveLength(
      JSON.stringify(input).match(/sig/g)?.length ?? 0,
    );
  });

  it('are shown with the defaults of the service', () => {
    const { job } = makeJob({ input: ASSET, outputs: [OUTPUT] });
    expect(toArmJob(SCOPE, job)).toEqual({
      name: 'j',
      id: `${SCOPE.accountId}/transforms/t/jobs/j`,
      type: 'Microsoft.Media/mediaservices/transforms/jobs',
      properties: {
        created: NOW,
        lastModified: NOW,
        state: 'Queued',
        input: { ...ASSET, files: [], inputDefinitions: [] },
        outputs: [{ ...OUTPUT, label: 'StandardEncoderPreset_0', state: 'Queued', progress: 0 }],
        priority: 'Normal',
        correlationData: {},
      },
      systemData: expect.objectContaining({ createdBy: 'test', createdAt: NOW }),
    });
  });

  it.each([
    {
      input: { ...type('JobInputs'), inputs: [] },
      message: invalid('properties.input.inputs', 'it is empty'),
    },
    {
      input: { ...type('JobInputClip'), files: ['a'] },
      message: invalid(
        'properties.input.@odata.type',
        'JobInputClip is what several inputs have in common, not an input',
      ),
    },
    {
      input: { ...type('JobInputHttp'), files: [] },
      message: invalid('properties.input.files', 'it is empty: the one file to read is required'),
    },
    {
      input: { ...type('JobInputHttp'), baseUri: 'https://h', files: ['a', 'b'] },
      message: invalid('properties.input.files', 'it has 2 items, 1 is allowed over HTTPS'),
    },
    {
      input: { ...type('JobInputHttp'), baseUri: 'ftp://h', files: ['a'] },
      message: invalid('properties.input.baseUri', 'a complete https address is expected'),
    },
    {
      input: { ...ASSET, files: Array.from({ length: 11 }, () => 'a') },
      message: invalid('properties.input.files', 'it has 11 items, at most 10 are allowed'),
    },
    {
      input: {
        ...ASSET,
        start: { ...type('AbsoluteClipTime'), time: 'PT2S' },
        end: { ...type('AbsoluteClipTime'), time: 'PT1S' },
      },
      message: invalid('properties.input.end', 'PT1S is not after the start, PT2S'),
    },
    {
      input: { ...ASSET, inputDefinitions: [type('InputFile')] },
      message: invalid('properties.input.inputDefinitions[0].filename', 'it is required'),
    },
    {
      input: {
        ...ASSET,
        inputDefinitions: [
          {
            ...type('FromAllInputFile'),
            includedTracks: [
              { ...type('SelectVideoTrackByAttribute'), attribute: 'Language', filter: 'All' },
            ],
          },
        ],
      },
      message: invalid(
        'properties.input.inputDefinitions[0].includedTracks[0].attribute',
        'Language is not supported for video tracks',
      ),
    },
    {
      input: {
        ...ASSET,
        inputDefinitions: [
          {
            ...type('FromAllInputFile'),
            includedTracks: [
              {
                ...type('SelectAudioTrackByAttribute'),
                attribute: 'Bitrate',
                filter: 'ValueEquals',
                filterValue: 'high',
              },
            ],
          },
        ],
      },
      message: invalid(
        'properties.input.inputDefinitions[0].includedTracks[0].filterValue',
        "bits per second such as 1500000 are expected, not 'high'",
      ),
    },
    {
      input: {
        ...type('JobInputs'),
        inputs: [
          { ...ASSET, label: 'a' },
          { ...ASSET, label: 'a' },
        ],
      },
      message: invalid('properties.input.inputs[0].label', "'a' is the label of several inputs"),
    },
  ])('are refused: $message', ({ input, message }) => {
    expect(refused(() => makeJob({ input }))).toBe(message);
  });

  it('need an input for each overlay of the transform, of one file, and something under it', () => {
    const outputs = transformOutputs(1, ['logo']);
    const logo = { ...ASSET, label: 'logo' };
    const parse = (input: object) => refused(() => makeJob({ input }, outputs));
    expect(parse(ASSET)).toBe(
      invalid('properties.input', "no input has the label 'logo', which an overlay of the transform uses"),
    );
    expect(parse({ ...type('JobInputs'), inputs: [ASSET, { ...logo, files: ['a', 'b'] }] })).toBe(
      invalid('properties.input.inputs[1].files', 'it has 2 items, an overlay is exactly one file'),
    );
    expect(parse(logo)).toBe(
      invalid('properties.input', 'there are overlays and nothing that they could be put over'),
    );
    expect(parse({ ...type('JobInputs'), inputs: [ASSET, logo] })).toBeUndefined();
  });

  it('are changed in description and priority only, whatever is sent', () => {
    const { job } = makeJob({ input: ASSET, description: 'one' });
    const patch = parseJobPatch(
      { properties: { priority: 'High', description: null, input: { ...ASSET, assetName: 'other' } } },
      VERSION,
    );
    const next = updatedJob(job, patch, { caller: CALLER, nowIso: '2026-01-02T00:00:00.000Z' });
    const { description: _gone, ...rest } = job;
    expect(next).toEqual({ ...rest, priority: 'High', lastModified: '2026-01-02T00:00:00.000Z' });
    expect(parseJobPatch({ properties: { correlationData: {} } }, VERSION)).toEqual({});
  });

  it('carry correlation data of limited size', () => {
    const correlationData = Object.fromEntries(
      Array.from({ length: 5 }, (_, index) => [`k${index}`, 'x'.repeat(4000)]),
    );
    expect(refused(() => makeJob({ input: ASSET, correlationData }))).toMatch(/at most 16384 are allowed/);
  });
});

const ERROR: JobError = {
  code: 'ServiceError',
  message: 'm',
  category: 'Service',
  retry: 'MayRetry',
  details: [],
};

/** What may happen to a job, in whatever order. */
const step = (outputs: number) =>
  fc.oneof(
    fc.constant((job: JobRecord) => (job.state === 'Queued' ? state.scheduled(job, NOW) : job)),
    fc.nat({ max: outputs - 1 }).map((index) => (job: JobRecord) => {
      const isOpen =
        job.outputs[index]?.state === 'Scheduled' && ['Scheduled', 'Processing'].includes(job.state);
      return isOpen ? state.begun(job, index, NOW) : job;
    }),
    fc.tuple(fc.nat({ max: outputs - 1 }), fc.integer({ min: -50, max: 200 })).map(
      ([index, percent]) =>
        (job: JobRecord) =>
          job.outputs[index]?.state === 'Processing' ? state.progressed(job, index, percent) : job,
    ),
    fc.tuple(fc.nat({ max: outputs - 1 }), fc.boolean()).map(([index, isGood]) => (job: JobRecord) => {
      if (job.outputs[index]?.state !== 'Processing') return job;
      return isGood ? state.outputFinished(job, index, NOW) : state.outputFailed(job, index, ERROR, NOW);
    }),
    fc
      .boolean()
      .map(
        (isFatal) => (job: JobRecord) =>
          job.state === 'Processing' ? state.ended(job, () => isFatal, NOW) : job,
      ),
    fc.constant((job: JobRecord) =>
      state.isFinal(job.state) || job.state === 'Canceling' ? job : state.canceling(job, NOW),
    ),
    fc.constant((job: JobRecord) => (job.state === 'Canceling' ? state.canceled(job, NOW) : job)),
  );

const OUTPUT_STATES_AFTER: Readonly<Record<string, readonly string[]>> = {
  ...state.JOB_STATES_AFTER,
  // What was never begun, or not ended, when the job ends.
  Scheduled: [...state.JOB_STATES_AFTER.Scheduled, 'Canceled'],
  Processing: [...state.JOB_STATES_AFTER.Processing, 'Canceled'],
};

function checkStep(job: JobRecord, next: JobRecord): void {
  const moved = next.outputs.filter((output, index) => output.state !== job.outputs[index]?.state);
  for (const [index, output] of next.outputs.entries()) {
    const old = job.outputs[index];
    if (moved.includes(output)) expect(OUTPUT_STATES_AFTER[old?.state ?? '']).toContain(output.state);
    expect(output.progress).toBeGreaterThanOrEqual(old?.progress ?? 0);
    expect(output.progress === 100).toBe(output.state === 'Finished');
    expect(output.error !== undefined).toBe(output.state === 'Error');
  }
  const told = jobEvents(job, next).map((event) => event.type.replace('Microsoft.Media.', ''));
  const isMoved = next.state !== job.state;
  if (isMoved) expect(state.JOB_STATES_AFTER[job.state]).toContain(next.state);
  expect(told.filter((name) => name === 'JobOutputStateChange')).toHaveLength(moved.length);
  // The job's own come last.
  expect(told.filter((name) => name === 'JobStateChange')).toEqual(isMoved ? [told.at(-2)] : []);
  if (next.state === 'Finished') expect(next.outputs.map((output) => output.state)).toContain('Finished');
}

describe('states of jobs', () => {
  it('go the ways that there are, tell every step once, and never say Finished of what was not made', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step(4), { maxLength: 40 }), (count, steps) => {
        let { job } = makeJob({ input: ASSET }, transformOutputs(count));
        for (const take of steps) {
          const next = take(job);
          checkStep(job, next);
          job = next;
        }
      }),
    );
  });

  it.each([
    { fatal: [true, true], results: ['good', 'bad'], ends: 'Error' },
    { fatal: [true, false], results: ['good', 'bad'], ends: 'Finished' },
    { fatal: [false, false], results: ['bad', 'bad'], ends: 'Error' },
    { fatal: [false, true], results: ['bad', 'good'], ends: 'Finished' },
    { fatal: [true, true], results: ['good', 'good'], ends: 'Finished' },
  ])('end in $ends after $results with fatal $fatal', ({ fatal, results, ends }) => {
    let job = state.scheduled(makeJob({ input: ASSET }, transformOutputs(2)).job, NOW);
    for (const [index, result] of results.entries()) {
      job = state.begun(job, index, NOW);
      job =
        result === 'good'
          ? state.outputFinished(job, index, NOW)
          : state.outputFailed(job, index, ERROR, NOW);
    }
    expect(state.ended(job, (index) => fatal[index] === true, NOW).state).toBe(ends);
  });
});
