import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MediaService } from '../../src/contract/accounts.ts';
import { Transform } from '../../src/contract/encoding.ts';
import { AccountFilter, Asset, StreamingLocator } from '../../src/contract/metadata.ts';
import { duration } from '../../src/contract/primitives.ts';
import {
  LiveEvent,
  LiveEventPatch,
  LiveOutput,
  StreamingEntityScaleUnit,
} from '../../src/contract/streaming.ts';
import { parseIsoDurationMs } from '../../src/resources/iso-duration.ts';
import { parseBody } from '../../src/resources/request-body.ts';

const preset = (value: unknown) => ({ properties: { outputs: [{ preset: value }] } });
const encoder = (codec: object) =>
  preset({ '@odata.type': '#Microsoft.Media.StandardEncoderPreset', codecs: [codec], formats: [] });
const h264 = (layer: object) => encoder({ '@odata.type': '#Microsoft.Media.H264Video', layers: [layer] });
const PRESETS =
  "'#Microsoft.Media.FaceDetectorPreset', '#Microsoft.Media.AudioAnalyzerPreset', '#Microsoft.Media.BuiltInStandardEncoderPreset', '#Microsoft.Media.StandardEncoderPreset', '#Microsoft.Media.VideoAnalyzerPreset'";
const rtmp = { input: { streamingProtocol: 'RTMP' } };

function refusal(parse: () => unknown): string {
  try {
    return `accepted: ${JSON.stringify(parse())}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('a body that is refused', () => {
  it.each([
    ['none at all', Asset, undefined, "The field 'body' is invalid: it is required: an object is expected."],
    ['an array', Asset, [], "The field 'body' is invalid: an object is expected, not an array."],
    ['an unknown field', Asset, { colour: 1 }, "The field 'colour' is not known."],
    [
      'an unknown field far inside',
      Transform,
      h264({ bitrate: 1, colour: 1 }),
      "The field 'properties.outputs[0].preset.codecs[0].layers[0].colour' is not known.",
    ],
    [
      'another type far inside',
      Transform,
      h264({ bitrate: '4' }),
      "The field 'properties.outputs[0].preset.codecs[0].layers[0].bitrate' is invalid: a number is expected, not a string.",
    ],
    [
      'a form without its type',
      Transform,
      preset({}),
      `The field 'properties.outputs[0].preset.@odata.type' is invalid: it is required, as one of ${PRESETS}.`,
    ],
    [
      'a form of an unknown type',
      Transform,
      preset({ '@odata.type': 'x' }),
      `The field 'properties.outputs[0].preset.@odata.type' is invalid: 'x' is none of ${PRESETS}.`,
    ],
    [
      'no form at all',
      Transform,
      preset(4),
      "The field 'properties.outputs[0].preset' is invalid: an object is expected, not the number 4.",
    ],
    [
      'a value that is not in the list',
      LiveEvent,
      { location: 'x', properties: { input: { streamingProtocol: 'SRT' } } },
      "The field 'properties.input.streamingProtocol' is invalid: 'SRT' is none of 'FragmentedMP4', 'RTMP'.",
    ],
    [
      'what is required',
      LiveOutput,
      { properties: { assetName: 'a' } },
      "The field 'properties.archiveWindowLength' is invalid: it is required: a string is expected.",
    ],
    [
      'a text that is too long',
      LiveOutput,
      { properties: { assetName: 'x'.repeat(5000), archiveWindowLength: 'PT1H' } },
      "The field 'properties.assetName' is invalid: it has 5000 characters, at most 4096 are allowed.",
    ],
    [
      'a list that is too long',
      Transform,
      { properties: { outputs: Array.from({ length: 21 }, () => preset({})) } },
      "The field 'properties.outputs' is invalid: it has 21 items, at most 20 are allowed.",
    ],
    [
      'a number out of range',
      StreamingEntityScaleUnit,
      { scaleUnit: 1e12 },
      "The field 'scaleUnit' is invalid: 1000000000000 is out of range, at most 2147483647 is allowed.",
    ],
    [
      'a fraction',
      StreamingEntityScaleUnit,
      { scaleUnit: 1.5 },
      "The field 'scaleUnit' is invalid: an integer is expected, not the number 1.5.",
    ],
    [
      'no GUID',
      StreamingLocator,
      { properties: { assetName: 'a', streamingPolicyName: 'b', streamingLocatorId: 'c' } },
      "The field 'properties.streamingLocatorId' is invalid: a GUID is expected.",
    ],
    [
      'a tag without a name',
      LiveEvent,
      { location: 'x', tags: { '': 'a' }, properties: rtmp },
      "The field 'tags.' is invalid: the name of an entry is empty or too long.",
    ],
    [
      'too many tags',
      LiveEvent,
      {
        location: 'x',
        tags: Object.fromEntries(Array.from({ length: 51 }, (_, tag) => [`t${tag}`, ''])),
        properties: rtmp,
      },
      "The field 'tags' is invalid: at most 50 tags are allowed.",
    ],
  ] as const)('%s', (_name, schema, body, message) => {
    expect(refusal(() => parseBody(schema, body))).toBe(message);
  });

  it.each([
    ['encryptionScope', Asset, { properties: { encryptionScope: 'a' } }, '2022-08-01', '2023-01-01'],
    [
      'minimumTlsVersion',
      MediaService,
      { location: 'x', properties: { minimumTlsVersion: 'Tls12' } },
      '2021-11-01',
      '2023-01-01',
    ],
  ] as const)('%s with an api-version that does not know it', (field, schema, body, older, newer) => {
    expect(refusal(() => parseBody(schema, body, older))).toBe(
      `The field 'properties.${field}' of api-version '${newer}' is not known.`,
    );
    expect(parseBody(schema, body, newer)).toMatchObject(body);
    expect(parseBody(schema, { ...body, properties: { [field]: null } }, older)).toBeDefined();
  });
});

describe('a body that is accepted', () => {
  it('may carry what only the service sets, and loses it', () => {
    const echoed = { id: 4, name: {}, systemData: [], properties: { assetId: 'x', description: 'kept' } };
    expect(JSON.parse(JSON.stringify(parseBody(Asset, echoed)))).toEqual({
      properties: { description: 'kept' },
    });
  });

  it('may leave out in a PATCH what a PUT requires', () => {
    expect(parseBody(LiveEventPatch, { tags: { a: 'b' } })).toEqual({ tags: { a: 'b' } });
  });

  it('takes "no limit" of 64 bits as what every reader of 64 bits can read', () => {
    const body = { properties: { presentationTimeRange: { endTimestamp: 9223372036854775807n } } };
    const text = JSON.stringify(body, (_key, value: unknown) =>
      typeof value === 'bigint' ? Number(value) : value,
    );
    const kept =
      parseBody(AccountFilter, JSON.parse(text)).properties?.presentationTimeRange?.endTimestamp ?? 0;
    expect(BigInt(JSON.stringify(kept)) < 2n ** 63n).toBe(true);
  });

  it('has only durations that can be counted', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^P(\d{0,2}D)?T?(\d{0,2}H)?(\d{0,2}M)?(\d{0,2}(\.\d{0,3})?S)?$/),
        (value) => {
          expect(duration.safeParse(value).success).toBe(parseIsoDurationMs(value) !== undefined);
        },
      ),
    );
  });
});
