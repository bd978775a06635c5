import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { accountScope } from '../../src/resources/account-scope.ts';
import { newAsset, parseAssetBody, parseContainerSasBody, updatedAsset } from '../../src/resources/asset.ts';
import { ArmError, armError, ERROR_CATALOGUE, type ErrorName } from '../../src/resources/error-catalogue.ts';
import { parseIsoDurationMs } from '../../src/resources/iso-duration.ts';
import {
  isSameLiveEvent,
  LiveEventRecord,
  newLiveEvent,
  parseLiveEventBody,
  toArmLiveEvent,
  updatedLiveEvent,
} from '../../src/resources/live-event.ts';
import { NAME_RULES, type NamedResource, parseName } from '../../src/resources/names.ts';
import { assetKey, keyPart, liveOutputKey, prefixes } from '../../src/resources/row-keys.ts';

const CALLER = { caller: { id: 'someone' }, nowIso: '2026-01-02T03:04:05.678Z' };
const LATER = { caller: { id: 'another' }, nowIso: '2026-02-02T00:00:00.000Z' };
const TOKEN = '0123456789abcdef0123456789abcdef';
const PREVIEW = '11111111-2222-3333-4444-555555555555';
const fresh = { ...CALLER, name: 'Show', accessToken: TOKEN, previewLocator: PREVIEW };
const liveEventBody = (properties: object = {}, rest: object = {}) =>
  parseLiveEventBody({ properties: { input: { streamingProtocol: 'RTMP' }, ...properties }, ...rest });

function errorOf(action: () => unknown): { status: number; code: string; message: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof ArmError) return { status: error.status, code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('ISO durations', () => {
  it.each([
    ['PT1M', 60_000],
    ['PT25H', 90_000_000],
    ['P1DT1H', 90_000_000],
    ['PT0.5S', 500],
    ['PT1H2M3.25S', 3_723_250],
    ['P0D', 0],
  ])('%s is %d ms', (text, expected) => expect(parseIsoDurationMs(text)).toBe(expected));

  it.each([
    '',
    'P',
    'PT',
    'P1DT',
    'P1M',
    'P1Y',
    'P1W',
    '-PT1M',
    'PT-1M',
    'PT1.5M',
    'PT1M1H',
    'pt1m',
    ' PT1M',
    'PT1M\n',
    'PT1e3S',
    'PT12345678901S',
    '60',
  ])('%j is none', (text) => expect(parseIsoDurationMs(text)).toBeUndefined());

  it('reads what it writes', () => {
    const part = (max: number) => fc.integer({ min: 0, max });
    fc.assert(
      fc.property(
        part(999_999),
        part(999_999),
        part(999_999),
        part(999_999_999),
        (days, hours, minutes, ms) => {
          const text = `P${days}DT${hours}H${minutes}M${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, '0')}S`;
          return parseIsoDurationMs(text) === ((days * 24 + hours) * 60 + minutes) * 60_000 + ms;
        },
      ),
    );
  });

  it('never throws and never answers less than nothing', () => {
    fc.assert(fc.property(fc.string(), (text) => (parseIsoDurationMs(text) ?? 0) >= 0));
  });
});

describe('error catalogue', () => {
  const about = {
    account: 'acct',
    resourceGroup: 'rg',
    type: 'liveEvents',
    name: 'n',
    state: 'Running',
    field: 'f',
    reason: 'because',
  };
  it.each(Object.keys(ERROR_CATALOGUE))('%s is a whole ARM error', (name) => {
    const error = armError(name as ErrorName, about);
    expect(error.status).toBeGreaterThanOrEqual(400);
    expect(error.code).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(error.message).toMatch(/^[A-Z']/);
    expect(error.message).not.toContain('undefined');
  });

  it.each([
    ['NotFound', 404, 'NotFound', 'The requested resource was not found.'],
    [
      'OperationInProgress',
      409,
      'OperationInProgress',
      'There is another operation already in progress on the Channel.',
    ],
    [
      'ParentResourceNotFound',
      404,
      'ParentResourceNotFound',
      "Can not perform requested operation on nested resource. Parent resource 'acct/n' not found.",
    ],
    ['InternalError', 500, 'InternalError', 'The server encountered an unexpected error.'],
  ] as const)('%s is word for word the original', (name, status, code, message) => {
    expect(
      errorOf(() => {
        throw armError(name, about);
      }),
    ).toEqual({ status, code, message });
  });
});

describe('names', () => {
  it.each([
    ['liveEvent', 'a', true],
    ['liveEvent', 'A-b--c9', true],
    ['liveEvent', 'a'.repeat(32), true],
    ['liveEvent', 'a'.repeat(33), false],
    ['liveEvent', '-a', false],
    ['liveEvent', 'a-', false],
    ['liveEvent', 'a_b', false],
    ['liveEvent', 'ä', false],
    ['liveEvent', '', false],
    ['liveOutput', 'a'.repeat(256), true],
    ['streamingEndpoint', 'a'.repeat(25), false],
    ['asset', 'Über Größe_1', true],
    ['asset', 'a/b', false],
    ['asset', 'a.b', false],
    ['asset', 'a#b', false],
    ['asset', 'a\u0007', false],
    ['streamingLocator', 'a'.repeat(261), false],
  ] as const)('%s %j: %s', (resource, name, isGood) => {
    if (isGood) expect(parseName(resource, name)).toBe(name);
    else expect(errorOf(() => parseName(resource, name))).toMatchObject({ status: 400, code: 'BadRequest' });
  });

  it('are checked in time that does not depend on their form', () => {
    const started = performance.now();
    for (const resource of Object.keys(NAME_RULES)) {
      errorOf(() => parseName(resource as NamedResource, `${'a-'.repeat(120)}!.`));
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('become keys that hold only what a table key may, and never collide', () => {
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 260 });
    fc.assert(
      fc.property(name, name, (left, right) => {
        const [a, b] = [keyPart(left), keyPart(right)];
        expect(a).not.toMatch(/[!/\\#?\p{Cc}]/u);
        expect(a.length).toBeLessThanOrEqual(120);
        expect(a === b).toBe(left.toLowerCase() === right.toLowerCase());
      }),
    );
  });

  it('that are very long cannot be made to share a key with a short one', () => {
    const key = keyPart('a'.repeat(200));
    expect(key).toHaveLength(120);
    expect(assetKey(key)).not.toBe(assetKey('a'.repeat(200)));
  });

  it('of outputs stay below their live event', () => {
    expect(liveOutputKey('Show', 'Rec')).toBe('r!liveoutput!show!rec');
    expect(liveOutputKey('Show', 'Rec').startsWith(prefixes.liveOutputsOf('SHOW'))).toBe(true);
    expect(liveOutputKey('Show2', 'Rec').startsWith(prefixes.liveOutputsOf('Show'))).toBe(false);
  });
});

describe('live event', () => {
  it('has the defaults of the original', () => {
    const record = newLiveEvent(liveEventBody(), fresh);
    expect(LiveEventRecord.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
    const view = { addresses: { host: 'h', rtmpPort: 1935, streamingPort: 8888 }, single: false };
    const scope = accountScope(
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Media/mediaservices/a',
      'local',
    );
    expect(toArmLiveEvent(scope, record, view)).toEqual({
      name: 'Show',
      id: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Media/mediaservices/a/liveevents/Show',
      type: 'Microsoft.Media/mediaservices/liveevents',
      location: 'local',
      tags: {},
      properties: {
        description: '',
        input: {
          streamingProtocol: 'RTMP',
          accessControl: null,
          keyFrameIntervalDuration: '',
          accessToken: TOKEN,
          endpoints: [],
        },
        preview: {
          endpoints: [],
          accessControl: null,
          previewLocator: PREVIEW,
          streamingPolicyName: 'Predefined_ClearStreamingOnly',
          alternativeMediaId: null,
        },
        encoding: { encodingType: 'None', presetName: null, stretchMode: null, keyFrameInterval: null },
        transcriptions: null,
        provisioningState: 'InProgress',
        resourceState: 'Stopped',
        crossSiteAccessPolicies: null,
        useStaticHostname: false,
        hostnamePrefix: null,
        streamOptions: [],
        created: CALLER.nowIso,
        lastModified: CALLER.nowIso,
      },
    });
  });

  it('takes its own answer back as an update that changes nothing', () => {
    const record = newLiveEvent(liveEventBody({ description: 'd' }, { tags: { a: 'b' } }), fresh);
    const view = { addresses: { host: 'h', rtmpPort: 1, streamingPort: 2 }, single: true };
    const scope = accountScope(
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Media/mediaservices/a',
      'local',
    );
    const echoed = parseLiveEventBody(toArmLiveEvent(scope, record, view));
    expect(isSameLiveEvent(record, echoed)).toBe(true);
    expect(updatedLiveEvent(record, echoed, LATER)).toEqual({
      ...record,
      lastModified: LATER.nowIso,
      lastModifiedBy: 'another',
    });
  });

  it.each([
    [
      'input.accessToken',
      'Running',
      { input: { streamingProtocol: 'RTMP', accessToken: PREVIEW } },
      'WrongState',
    ],
    ['useStaticHostname', 'Running', { useStaticHostname: true }, 'WrongState'],
    [
      'preview.previewLocator',
      'Stopped',
      { preview: { previewLocator: TOKEN.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') } },
      'ImmutableField',
    ],
    [
      'encoding.encodingType',
      'Stopped',
      { encoding: { encodingType: 'PassthroughBasic' } },
      'ImmutableField',
    ],
    ['streamOptions', 'Stopped', { streamOptions: ['LowLatency'] }, 'ImmutableField'],
  ] as const)('%s cannot be changed while it is %s', (field, state, properties, errorName) => {
    const record: LiveEventRecord = { ...newLiveEvent(liveEventBody(), fresh), state };
    const update = () => updatedLiveEvent(record, liveEventBody(properties), LATER);
    expect(update).toThrow(expect.objectContaining({ errorName }));
    expect(errorOf(update).message).toContain(`properties.${field}`);
  });

  it.each(['description', 'tags'] as const)('%s can be changed while it runs', (field) => {
    const record: LiveEventRecord = { ...newLiveEvent(liveEventBody(), fresh), state: 'Running' };
    const body = liveEventBody({ description: 'new' }, { tags: { new: 'one' } });
    expect(updatedLiveEvent(record, body, LATER)[field]).toEqual(field === 'tags' ? { new: 'one' } : 'new');
  });
});

describe('asset', () => {
  const record = newAsset(parseAssetBody({ properties: { description: 'd', alternateId: 'x' } }), {
    ...CALLER,
    name: 'Film',
    assetId: PREVIEW,
    primaryStorageAccount: 'main',
  });

  it('gets a container of its own', () => expect(record.container).toBe(`asset-${PREVIEW}`));

  it('keeps what an update does not send and empties what it sends as null', () => {
    const updated = updatedAsset(record, parseAssetBody({ properties: { description: null } }), LATER);
    expect(updated).toEqual({
      ...record,
      description: undefined,
      lastModified: LATER.nowIso,
      lastModifiedBy: 'another',
    });
  });

  it.each([
    ['another container', { container: 'other' }],
    ['another storage account', { storageAccountName: 'other' }],
  ])('never moves to %s', (_name, properties) => {
    expect(() => updatedAsset(record, parseAssetBody({ properties }), LATER)).toThrow(/cannot be changed/);
  });

  it.each([
    ['by default, read only, for an hour', {}, { permissions: 'rl', expiresAtMs: 3_600_000 }],
    [
      'for everything',
      { permissions: 'ReadWriteDelete', expiryTime: '1970-01-01T23:00:00Z' },
      { permissions: 'rwdl', expiresAtMs: 82_800_000 },
    ],
  ])('its container is opened %s', (_name, body, expected) => {
    expect(parseContainerSasBody(body, 0)).toEqual(expected);
  });

  it.each([
    ['for more than a day', '1970-01-02T00:00:01Z'],
    ['until yesterday', '1969-12-31T00:00:00Z'],
  ])('its container is not opened %s', (_name, expiryTime) => {
    expect(() => parseContainerSasBody({ expiryTime }, 0)).toThrow(/within the next 24 hours/);
  });
});
