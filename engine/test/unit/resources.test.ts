import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { accountScope } from '../../src/resources/account-scope.ts';
import { newAsset, parseAssetBody, parseContainerSasBody, updatedAsset } from '../../src/resources/asset.ts';
import { ArmError, armError, ERROR_CATALOGUE, type ErrorName } from '../../src/resources/error-catalogue.ts';
import { allowedNetworks, isInNetworks } from '../../src/resources/ip-allow-list.ts';
import { parseIsoDurationMs } from '../../src/resources/iso-duration.ts';
import {
  checkStartable,
  isSameLiveEvent,
  LiveEventRecord,
  newLiveEvent,
  parseTokenOverlapMs,
  updatedLiveEvent,
} from '../../src/resources/live-event.ts';
import {
  checkHostname,
  ingestEndpoints,
  type PublicAddresses,
} from '../../src/resources/live-event-addresses.ts';
import { toArmLiveEvent } from '../../src/resources/live-event-answer.ts';
import { parseLiveEventBody, parseLiveEventPatch } from '../../src/resources/live-event-body.ts';
import { NAME_RULES, type NamedResource, parseName } from '../../src/resources/names.ts';
import { assetKey, keyPart, liveOutputKey, prefixes } from '../../src/resources/row-keys.ts';

const CALLER = { caller: { id: 'someone' }, nowIso: '2026-01-02T03:04:05.678Z' };
const LATER = {
  caller: { id: 'another' },
  nowIso: '2026-02-02T00:00:00.000Z',
  tokenOverlapMs: undefined,
};
const ADDRESSES: PublicAddresses = {
  host: 'h',
  ingestDomain: undefined,
  account: 'a',
  location: 'West US 2',
  ingestPorts: { rtmp: 1935, rtmpBackup: 1936, rtmps: 2935, rtmpsBackup: 2936, smooth: 80 },
  streamingPort: 8888,
  streamingDomain: 'localhost',
};
const TOKEN = '0123456789abcdef0123456789abcdef';
const PREVIEW = '11111111-2222-3333-4444-555555555555';
const fresh = { ...CALLER, name: 'Show', accessToken: TOKEN, previewLocator: PREVIEW };
const liveEventBody = (properties: object = {}, rest: object = {}) =>
  parseLiveEventBody({
    location: 'local',
    properties: { input: { streamingProtocol: 'RTMP' }, ...properties },
    ...rest,
  });

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
    reason: 'Because',
    objectId: 'o',
    action: 'a',
    scope: 's',
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
    const view = { addresses: ADDRESSES, single: false, apiVersion: '2022-08-01' };
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
    const view = { addresses: ADDRESSES, single: true, apiVersion: '2022-11-01' };
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

  it('that encodes has the preset, the stretch mode and the key frames of its type', () => {
    const made = (encoding: object) => newLiveEvent(liveEventBody({ encoding }), fresh);
    expect(made({ encodingType: 'Standard' })).toMatchObject({
      encodingType: 'Standard',
      presetName: 'Default720p',
      stretchMode: 'AutoSize',
      keyFrameInterval: 'PT2S',
    });
    expect(
      made({ encodingType: 'Premium1080p', presetName: '1080P-4-layer', stretchMode: 'AutoFit' }),
    ).toMatchObject({
      presetName: '1080p-4-Layer',
      stretchMode: 'AutoFit',
    });
    expect(() => checkStartable(made({ encodingType: 'Standard' }))).toThrow(/cannot be started/);
    expect(() => checkStartable(made({}))).not.toThrow();
  });

  it.each([
    [
      'a preset of the other type',
      { encoding: { encodingType: 'Standard', presetName: 'Default1080p' } },
      'encoding.presetName',
    ],
    ['a preset on a pass-through', { encoding: { presetName: 'Default720p' } }, 'encoding.presetName'],
    ['key frames on a pass-through', { encoding: { keyFrameInterval: 'PT2S' } }, 'encoding.keyFrameInterval'],
    ['a stretched pass-through', { encoding: { stretchMode: 'AutoFit' } }, 'encoding.stretchMode'],
    [
      'a transcription on a basic pass-through',
      { encoding: { encodingType: 'PassthroughBasic' }, transcriptions: [{ language: 'en-US' }] },
      'transcriptions',
    ],
    ['low latency without an encoder', { streamOptions: ['LowLatencyV2'] }, 'streamOptions'],
    [
      'low latency over fragmented MP4',
      {
        input: { streamingProtocol: 'FragmentedMP4' },
        encoding: { encodingType: 'Standard' },
        streamOptions: ['LowLatencyV2'],
      },
      'streamOptions',
    ],
    [
      'one language twice',
      { transcriptions: [{ language: 'en-US' }, { language: 'EN-us' }] },
      'transcriptions[1].language',
    ],
    ['a language that is none', { transcriptions: [{ language: 'English!' }] }, 'transcriptions[0].language'],
  ])('refuses %s', (_name, properties, field) => {
    const error = errorOf(() => newLiveEvent(liveEventBody(properties), fresh));
    expect(error).toMatchObject({
      code: 'BadRequest',
      message: expect.stringContaining(`'properties.${field}'`),
    });
  });

  it('is changed by what is sent, and by an explicit null back to what it is without', () => {
    const allow = [{ name: 'any', address: '0.0.0.0', subnetPrefixLength: 0 }];
    const sent = {
      description: 'd',
      input: { streamingProtocol: 'RTMP', accessControl: { ip: { allow } } },
      preview: { accessControl: { ip: { allow } }, alternativeMediaId: 'm' },
      transcriptions: [{ language: 'en-US' }],
      crossSiteAccessPolicies: { clientAccessPolicy: 'c' },
      hostnamePrefix: 'p',
    };
    const record = newLiveEvent(liveEventBody(sent, { tags: { a: 'b' } }), fresh);
    const patched = (body: object) => updatedLiveEvent(record, parseLiveEventPatch(body), LATER);
    const unchanged = { ...record, lastModified: LATER.nowIso, lastModifiedBy: 'another' };
    expect(patched({})).toEqual(unchanged);
    expect(patched({ properties: { input: {}, preview: null } })).toEqual(unchanged);
    const cleared = {
      description: null,
      input: { accessControl: null, keyFrameIntervalDuration: null, accessToken: null },
      preview: { accessControl: null, alternativeMediaId: null, previewLocator: null },
      transcriptions: null,
      crossSiteAccessPolicies: null,
      hostnamePrefix: null,
      encoding: { encodingType: null, presetName: null },
    };
    expect(patched({ tags: null, properties: cleared })).toEqual({
      ...newLiveEvent(liveEventBody(), fresh),
      lastModified: LATER.nowIso,
      lastModifiedBy: 'another',
    });
  });

  it('that runs takes no transcription: there is nobody to do it', () => {
    const record: LiveEventRecord = { ...newLiveEvent(liveEventBody(), fresh), state: 'Running' };
    const patch = parseLiveEventPatch({ properties: { transcriptions: [{ language: 'en-US' }] } });
    expect(() => updatedLiveEvent(record, patch, LATER)).toThrow(/'properties\.transcriptions'/);
  });

  it.each(['description', 'tags'] as const)('%s can be changed while it runs', (field) => {
    const record: LiveEventRecord = { ...newLiveEvent(liveEventBody(), fresh), state: 'Running' };
    const body = liveEventBody({ description: 'new' }, { tags: { new: 'one' } });
    expect(updatedLiveEvent(record, body, LATER)[field]).toEqual(field === 'tags' ? { new: 'one' } : 'new');
  });
});

describe('the addresses of a live event', () => {
  const HEX = 'f'.repeat(32);
  const inDomain = { ...ADDRESSES, ingestDomain: 'live.example' };
  const rtmp = (host: string) => [
    { protocol: 'RTMP', url: `rtmp://${host}:1935/live/${TOKEN}` },
    { protocol: 'RTMP', url: `rtmp://${host}:1936/live/${TOKEN}` },
    { protocol: 'RTMP', url: `rtmps://${host}:2935/live/${TOKEN}` },
    { protocol: 'RTMP', url: `rtmps://${host}:2936/live/${TOKEN}` },
  ];
  const smooth = { input: { streamingProtocol: 'FragmentedMP4' } };
  const isml = (authority: string) => [
    { protocol: 'FragmentedMP4', url: `http://${authority}/${TOKEN}/ingest.isml` },
  ];
  it.each([
    { name: 'none while it is stopped', state: 'Stopped', body: {}, addresses: inDomain, expected: [] },
    { name: 'four for RTMP', state: 'Running', body: {}, addresses: ADDRESSES, expected: rtmp('h') },
    { name: 'the same in standby', state: 'StandBy', body: {}, addresses: ADDRESSES, expected: rtmp('h') },
    { name: 'none while starting', state: 'Starting', body: {}, addresses: ADDRESSES, expected: [] },
    {
      name: 'a host name of its own below the domain',
      state: 'Running',
      body: {},
      addresses: inDomain,
      expected: rtmp(`${HEX}.live.example`),
    },
    {
      name: 'the event as host name when static, also while stopped',
      state: 'Stopped',
      body: { useStaticHostname: true },
      addresses: inDomain,
      expected: rtmp('show-a-westus2.live.example'),
    },
    {
      name: 'the prefix as host name when there is one',
      state: 'Running',
      body: { useStaticHostname: true, hostnamePrefix: 'Concert-1' },
      addresses: inDomain,
      expected: rtmp('concert-1-a-westus2.live.example'),
    },
    {
      name: 'one for fragmented MP4, without the port of HTTP',
      state: 'Running',
      body: smooth,
      addresses: ADDRESSES,
      expected: isml('h'),
    },
    {
      name: 'one for fragmented MP4, with any other port',
      state: 'Running',
      body: { ...smooth, useStaticHostname: true },
      addresses: { ...inDomain, ingestPorts: { ...ADDRESSES.ingestPorts, smooth: 8889 } },
      expected: isml('show-a-westus2.live.example:8889'),
    },
  ] as const)('are $name', ({ state, body, addresses, expected }) => {
    const made = newLiveEvent(liveEventBody(body), fresh);
    const record: LiveEventRecord = { ...made, state, dynamicHostLabel: HEX };
    expect(ingestEndpoints(record, addresses)).toEqual(expected);
  });

  it('are refused when the host name would be too long for the DNS', () => {
    const record = newLiveEvent(
      liveEventBody({ useStaticHostname: true, hostnamePrefix: 'p'.repeat(60) }),
      fresh,
    );
    expect(() => checkHostname(record, ADDRESSES)).not.toThrow();
    expect(() => checkHostname(record, inDomain)).toThrow(/hostnamePrefix.*70 characters/);
  });
});

describe('an access token', () => {
  const NEW = PREVIEW.replaceAll('-', '');
  const record: LiveEventRecord = { ...newLiveEvent(liveEventBody(), fresh), state: 'Running' };
  const change = (from: LiveEventRecord, accessToken: string, tokenOverlapMs: number | undefined) =>
    updatedLiveEvent(from, liveEventBody({ input: { streamingProtocol: 'RTMP', accessToken } }), {
      ...LATER,
      tokenOverlapMs,
    });
  const until = (overlapMs: number) => Date.parse(LATER.nowIso) + overlapMs;

  it('goes on letting encoders in for as long as the change says', () => {
    const changed = change(record, PREVIEW, 600_000);
    expect(changed.input.accessToken).toBe(PREVIEW);
    expect(changed.previousAccessToken).toEqual({ token: TOKEN, validUntilMs: until(600_000) });
    const back = change(changed, TOKEN, 1000);
    expect(back.previousAccessToken).toEqual({ token: NEW, validUntilMs: until(1000) });
    expect(updatedLiveEvent(changed, liveEventBody({ description: 'x' }), LATER)).toMatchObject({
      previousAccessToken: changed.previousAccessToken,
    });
  });

  it.each([['PT0S'], [undefined]])('ends at once with the overlap %s', (overlap) => {
    const stopped: LiveEventRecord = { ...change(record, PREVIEW, 600_000), state: 'Stopped' };
    expect(change(stopped, 'a'.repeat(32), parseTokenOverlapMs(overlap))).not.toHaveProperty(
      'previousAccessToken',
    );
  });

  it.each([
    ['PT10M', 600_000],
    ['PT24H', 86_400_000],
    ['P1D', 86_400_000],
    ['PT0S', 0],
    [undefined, undefined],
  ])('takes an overlap of %s', (text, expected) => expect(parseTokenOverlapMs(text)).toBe(expected));

  it.each(['PT24H0.001S', '10', '', 'PT', '-PT1M', 'P1M'])('refuses an overlap of %j', (text) => {
    expect(errorOf(() => parseTokenOverlapMs(text))).toMatchObject({
      status: 400,
      code: 'BadRequest',
      message: expect.stringContaining('x-headend-access-token-overlap'),
    });
  });
});

describe('an IP allow list', () => {
  const list = (...allow: object[]) =>
    liveEventBody({ input: { streamingProtocol: 'RTMP', accessControl: { ip: { allow } } } }).properties.input
      .accessControl;
  const range = (address: string, subnetPrefixLength?: number) => ({ address, subnetPrefixLength });

  it.each([
    ['one address', [range('10.1.2.3')], ['10.1.2.3', '::ffff:10.1.2.3'], ['10.1.2.4', '::1', 'x']],
    ['a network', [range('10.1.2.3', 8)], ['10.9.9.9'], ['11.0.0.1']],
    ['a network in one text', [range('10.0.0.0/8')], ['10.9.9.9'], ['11.0.0.1']],
    ['everybody of IPv4', [range('0.0.0.0', 0)], ['1.2.3.4', '::ffff:9.9.9.9'], ['2001:db8::1']],
    ['everybody of IPv6', [range('::/0')], ['2001:db8::1', '::1'], ['1.2.3.4', '::ffff:1.2.3.4']],
    ['an IPv6 network', [range('2001:db8::', 32)], ['2001:db8:1::5'], ['2001:db9::1', '1.2.3.4']],
    ['two of them', [range('10.0.0.1'), range('::1')], ['10.0.0.1', '::1'], ['10.0.0.2', '::2']],
    ['nobody', [], [], ['10.0.0.1', '::1']],
    ['the address 0.0.0.0, which nobody has', [range('0.0.0.0')], ['0.0.0.0'], ['10.0.0.1']],
  ] as const)('of %s', (_name, ranges, inside, outside) => {
    const networks = allowedNetworks(list(...ranges));
    expect(inside.filter((address) => !isInNetworks(networks, address))).toEqual([]);
    expect(outside.filter((address) => isInNetworks(networks, address))).toEqual([]);
  });

  it.each([
    ['a name', range('localhost'), /address/],
    ['an IPv4 prefix of 33', range('10.0.0.0', 33), /at most 32/],
    ['an IPv6 prefix of 129', range('::', 129), /subnetPrefixLength/],
    ['a prefix twice', range('10.0.0.0/8', 8), /prefix length already/],
    ['a prefix of a half', range('10.0.0.0', 1.5), /subnetPrefixLength/],
    ['a broken network', range('10.0.0.0/'), /address/],
  ])('is refused with %s', (_name, wrong, message) => expect(() => list(wrong)).toThrow(message));

  it('has room for a hundred', () => {
    const many = (count: number) => () => list(...Array.from({ length: count }, () => range('::1')));
    expect(many(100)).not.toThrow();
    expect(many(101)).toThrow(/allow/);
  });
});

describe('asset', () => {
  const assetBody = (properties: object, apiVersion = '2023-01-01') =>
    parseAssetBody({ properties }, apiVersion);
  const fresh = { ...CALLER, name: 'Film', assetId: PREVIEW, storageAccounts: ['main', 'Second'] } as const;
  const record = newAsset(assetBody({ description: 'd', alternateId: 'x' }), fresh);

  it('goes to the storage account that it names, or to the primary one', () => {
    expect(record.storageAccountName).toBe('main');
    expect(newAsset(assetBody({ storageAccountName: 'second' }), fresh).storageAccountName).toBe('Second');
    expect(() => newAsset(assetBody({ storageAccountName: 'third' }), fresh)).toThrow(/storageAccountName/);
  });

  it('has an encryption scope where the api-version knows of it', () => {
    expect(newAsset(assetBody({ encryptionScope: 'scope-1' }), fresh).encryptionScope).toBe('scope-1');
    expect(() => assetBody({ encryptionScope: 'scope-1' }, '2022-08-01')).toThrow(/encryptionScope/);
    expect(() => assetBody({ encryptionScope: 'a b' })).toThrow(/encryptionScope/);
  });

  it.each(['x', 'UPPER', 'a--b', '-ab', 'headend-system', 'a'.repeat(64)])(
    'has no container %s',
    (container) => {
      expect(() => assetBody({ container })).toThrow(/container/);
    },
  );

  it('gets a container of its own', () => expect(record.container).toBe(`asset-${PREVIEW}`));

  it('keeps what an update does not send and empties what it sends as null', () => {
    const updated = updatedAsset(record, assetBody({ description: null }), LATER);
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
    ['another encryption scope', { encryptionScope: 'other' }],
  ])('never moves to %s', (_name, properties) => {
    expect(() => updatedAsset(record, assetBody(properties), LATER)).toThrow(/cannot be changed/);
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
