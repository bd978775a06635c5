import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ArmStack, startArmStack } from '../support/arm-stack.ts';

const STREAMING = 'api-version=2022-08-01';
const METADATA = 'api-version=2023-01-01';
const ENCODING = 'api-version=2022-07-01';

/** Each kind with a path of its own, what to send, and how many there may be here. */
const KINDS = [
  {
    kind: 'live events',
    setting: 'HEADEND_LIVE_EVENTS_MAX',
    path: (name: string) => `/liveEvents/${name}?${STREAMING}`,
    body: { location: 'local', properties: { input: { streamingProtocol: 'RTMP' } } },
  },
  {
    kind: 'streaming endpoints',
    setting: 'HEADEND_STREAMING_ENDPOINTS_MAX',
    // `default` is the first of two.
    max: 2,
    path: (name: string) => `/streamingEndpoints/${name}?${STREAMING}`,
    body: { location: 'local', properties: { scaleUnits: 1 } },
  },
  {
    kind: 'account filters',
    setting: 'HEADEND_ACCOUNT_FILTERS_MAX',
    path: (name: string) => `/accountFilters/${name}?${METADATA}`,
    body: { properties: { firstQuality: { bitrate: 128_000 } } },
  },
  {
    kind: 'filters of an asset',
    setting: 'HEADEND_FILTERS_PER_ASSET_MAX',
    path: (name: string) => `/assets/asset/assetFilters/${name}?${METADATA}`,
    body: { properties: { firstQuality: { bitrate: 128_000 } } },
  },
  {
    kind: 'streaming policies of an account',
    setting: 'HEADEND_STREAMING_POLICIES_MAX',
    path: (name: string) => `/streamingPolicies/${name}?${METADATA}`,
    body: {
      properties: {
        noEncryption: {
          enabledProtocols: { dash: true, hls: true, download: false, smoothStreaming: false },
        },
      },
    },
  },
  {
    kind: 'streaming locators of an asset',
    setting: 'HEADEND_LOCATORS_PER_ASSET_MAX',
    path: (name: string) => `/streamingLocators/${name}?${METADATA}`,
    body: { properties: { assetName: 'asset', streamingPolicyName: 'Predefined_ClearStreamingOnly' } },
  },
  {
    kind: 'transforms',
    setting: 'HEADEND_TRANSFORMS_MAX',
    path: (name: string) => `/transforms/${name}?${ENCODING}`,
    body: {
      properties: {
        outputs: [
          {
            preset: {
              '@odata.type': '#Microsoft.Media.BuiltInStandardEncoderPreset',
              presetName: 'AdaptiveStreaming',
            },
          },
        ],
      },
    },
  },
  {
    kind: 'jobs',
    setting: 'HEADEND_JOBS_MAX',
    path: (name: string) => `/transforms/first/jobs/${name}?${ENCODING}`,
    body: {
      properties: {
        input: { '@odata.type': '#Microsoft.Media.JobInputAsset', assetName: 'asset' },
        outputs: [{ '@odata.type': '#Microsoft.Media.JobOutputAsset', assetName: 'asset' }],
      },
    },
  },
];

let stack: ArmStack;

beforeAll(async () => {
  stack = await startArmStack(
    Object.fromEntries(KINDS.map(({ setting, max = 1 }) => [setting, String(max)])),
  );
  await stack.raw('PUT', `/assets/asset?${METADATA}`, '{}');
}, 120_000);

afterAll(() => stack?.close(), 60_000);

describe('how many there may be is a setting', () => {
  it.each(KINDS)('$kind', async ({ kind, max = 1, path, body }) => {
    const put = (name: string) => stack.raw('PUT', path(name), JSON.stringify(body));
    expect([200, 201]).toContain((await put('first')).status);
    expect(await put('second')).toMatchObject({
      status: 403,
      body: { error: { code: 'QuotaExceeded', message: `The limit of ${max} ${kind} is reached.` } },
    });
  });
});
