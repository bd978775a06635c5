import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mediaLiveEvents } from '../../src/lib/adapters/media-services/live-events.ts';
import { mediaLoadMetrics } from '../../src/lib/adapters/media-services/load-metrics.ts';
import { mediaDeliveryPolicies, mediaKeyPolicies } from '../../src/lib/adapters/media-services/protection.ts';
import {
  mediaAssets,
  mediaLocators,
  mediaOutputs,
} from '../../src/lib/adapters/media-services/recordings.ts';
import {
  mediaAutoscaleTargets,
  mediaEncodingCapacity,
  mediaScalables,
} from '../../src/lib/adapters/media-services/scalables.ts';
import { mediaStreamingEndpoints } from '../../src/lib/adapters/media-services/streaming-endpoints.ts';
import type { ScaleTarget } from '../../src/lib/domain/scaling.ts';
import type { MediaService, Outcome } from '../../src/lib/workflows/media-service.ts';
import type { Scalables } from '../../src/lib/workflows/scaling-ports.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { type Engine, startEngine } from '../support/engine.ts';
import { fakeMediaService } from '../support/fake-media-service.ts';
import { fakeScalables } from '../support/fake-scalables.ts';

const POLLS_MAX = 300;
const POLL_MS = 50;

let azurite: Azurite;
let engine: Engine;

beforeAll(async () => {
  azurite = await startAzurite();
  engine = await startEngine(azurite.connectionString);
}, 60_000);

afterAll(async () => {
  await engine?.close();
  await azurite?.close();
});

const real = (): Omit<MediaService, 'preview'> => {
  const client = async () => engine.client;
  return {
    liveEvents: mediaLiveEvents(client),
    outputs: mediaOutputs(client),
    assets: mediaAssets(client),
    locators: mediaLocators(client),
    keyPolicies: mediaKeyPolicies(client),
    deliveryPolicies: mediaDeliveryPolicies(client),
  };
};

const WANTED = {
  name: 'arena',
  accessToken: '0123456789abcdef0123456789abcdef',
  previewLocator: 'b3a1c7de-1111-4222-8333-444455556666',
  allowFrom: ['0.0.0.0/0', '::/0'],
  description: 'Hall 1',
  keyFrameInterval: null,
  encoding: 'passthrough',
  ingest: { protocol: 'rtmp', hostname: 'static', hostnamePrefix: null },
} as const;
const OUTPUT = {
  liveEvent: 'arena',
  name: 'final',
  assetName: 'arena-final',
  manifestName: 'final',
  keep: 'PT25H',
  rewind: null,
};
const LOCATOR = {
  name: 'c5d3e9f0-1111-4222-8333-444455556666',
  assetName: 'arena-final',
  locatorId: 'c5d3e9f0-1111-4222-8333-444455556666',
  streamingPolicy: 'Predefined_ClearStreamingOnly',
  keyPolicy: null,
  contentKeys: [],
  mediaId: 'arena-final',
};

const DELIVERY = {
  hls: 'aes128',
  dash: 'off',
  smooth: 'off',
  download: false,
  keyUrl: null,
  drm: { playReady: null, widevine: null, fairPlay: null, clearKey: null },
} as const;

/** A write that may be told to come later, until it is carried out. */
async function carriedOut(write: () => Promise<Outcome>): Promise<Outcome> {
  for (let poll = 0; ; poll += 1) {
    const outcome = await write();
    if (outcome.kind !== 'later' || poll > POLLS_MAX) return outcome;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function becomes<T>(read: () => Promise<T>, wanted: T): Promise<void> {
  for (let poll = 0; poll < POLLS_MAX; poll += 1) {
    if (JSON.stringify(await read()) === JSON.stringify(wanted)) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  expect(await read()).toEqual(wanted);
}

const DONE = { kind: 'done' };

// What reconcile relies on is true of the engine and of the stand-in that the fast tests use.
describe.each([
  ['the engine', real],
  ['the stand-in', () => fakeMediaService().media],
])('%s', (_name, open) => {
  let media: Omit<MediaService, 'preview'>;
  beforeAll(() => {
    media = open();
  });
  const state = async () => (await media.liveEvents.find('arena'))?.state;
  const outputNames = async () => (await media.outputs.list('arena')).map(({ name }) => name);

  it('knows nothing at first, and removing nothing is done', async () => {
    const { liveEvents, outputs, assets, locators } = media;
    expect(await liveEvents.find('arena')).toBeUndefined();
    expect(await outputs.list('arena')).toEqual([]);
    expect(await assets.findOwner('arena-final')).toBeUndefined();
    expect(await locators.find(LOCATOR.name)).toBeUndefined();
    expect(await liveEvents.remove('arena')).toEqual(DONE);
    expect(await outputs.remove('arena', 'final')).toEqual(DONE);
    expect(await assets.remove('arena-final')).toEqual(DONE);
    expect(await locators.remove(LOCATOR.name)).toEqual(DONE);
  });

  it('makes a stopped live event that reads as it was wanted, also when it is made twice', async () => {
    expect(await media.liveEvents.create(WANTED)).toEqual(DONE);
    await becomes(state, 'stopped');
    expect((await media.liveEvents.create(WANTED)).kind).not.toBe('refused');
    await becomes(state, 'stopped');
    const found = await media.liveEvents.find('arena');
    const {
      name: _name,
      keyFrameInterval: _interval,
      encoding: _encoding,
      ingest: _ingest,
      ...wanted
    } = WANTED;
    expect({ ...found, accessToken: found?.accessToken.replaceAll('-', '') }).toMatchObject({
      ...wanted,
      passthrough: true,
    });
  });

  it('takes another stream key while it is stopped', async () => {
    const accessToken = 'fedcba9876543210fedcba9876543210';
    expect(
      await carriedOut(() =>
        media.liveEvents.update({ ...WANTED, accessToken }, { withToken: true, tokenOverlap: 'PT0S' }),
      ),
    ).toEqual(DONE);
    const token = async () => (await media.liveEvents.find('arena'))?.accessToken.replaceAll('-', '');
    await becomes(token, accessToken);
    expect(
      await carriedOut(() => media.liveEvents.update(WANTED, { withToken: true, tokenOverlap: 'PT0S' })),
    ).toEqual(DONE);
    await becomes(token, WANTED.accessToken);
  });

  it('records only into an asset that there is, and knows whose it is', async () => {
    expect(await carriedOut(() => media.outputs.create(OUTPUT))).toMatchObject({ kind: 'refused' });
    expect(await media.assets.create('arena-final', 'headend:arena/final')).toEqual(DONE);
    expect(await media.assets.create('arena-final', 'headend:arena/final')).toEqual(DONE);
    expect(await media.assets.findOwner('arena-final')).toBe('headend:arena/final');
    expect(await carriedOut(() => media.outputs.create(OUTPUT))).toEqual(DONE);
    await becomes(
      () => media.outputs.list('arena'),
      [{ name: 'final', assetName: 'arena-final', manifestName: 'final', deleting: false }],
    );
  });

  it('starts, and starting again does no harm', async () => {
    expect(await carriedOut(() => media.liveEvents.run('arena', 'start'))).toEqual(DONE);
    await becomes(state, 'running');
    expect(await carriedOut(() => media.liveEvents.run('arena', 'start'))).toEqual(DONE);
    await becomes(state, 'running');
    expect(await outputNames()).toEqual(['final']);
    const found = await media.liveEvents.find('arena');
    expect(found?.previewUrl).toContain(WANTED.previewLocator);
    expect(found?.ingestUrls.length).toBeGreaterThan(0);
  });

  it('takes another description while it runs, and is not removed', async () => {
    const description = 'Hall 2';
    expect(
      await carriedOut(() =>
        media.liveEvents.update({ ...WANTED, description }, { withToken: false, tokenOverlap: 'PT0S' }),
      ),
    ).toEqual(DONE);
    await becomes(async () => (await media.liveEvents.find('arena'))?.description, description);
    expect(await carriedOut(() => media.liveEvents.remove('arena'))).toMatchObject({ kind: 'refused' });
  });

  it('has policies of keys that are edited in place, and of delivery that are made once', async () => {
    const { keyPolicies, deliveryPolicies, locators } = media;
    const policy = { name: 'headend-test', options: ['clearKey'], restriction: { access: 'open' } } as const;
    expect(await keyPolicies.findMark(policy.name)).toBeUndefined();
    for (const mark of ['headend:a:1', 'headend:a:2']) {
      expect(await keyPolicies.put({ ...policy, mark })).toEqual(DONE);
      expect(await keyPolicies.findMark(policy.name)).toBe(mark);
    }
    const name = 'headend-test-0123456789abcdef';
    expect(await deliveryPolicies.exists(name)).toBe(false);
    expect(await deliveryPolicies.create(name, DELIVERY)).toEqual(DONE);
    expect((await deliveryPolicies.create(name, DELIVERY)).kind).toBe('later');
    expect(await deliveryPolicies.exists(name)).toBe(true);
    const keyIds = ['0d9a6b1e-1111-4222-8333-444455556666'];
    const contentKeys = keyIds.map((id) => ({
      id,
      label: 'clearKeyDefault',
      value: 'MDEyMzQ1Njc4OWFiY2RlZg==',
    }));
    const locator = { ...LOCATOR, streamingPolicy: name, keyPolicy: policy.name, contentKeys };
    expect(await locators.create(locator)).toEqual(DONE);
    expect(await locators.find(locator.name)).toMatchObject({
      locatorId: LOCATOR.locatorId,
      streamingPolicy: name,
      keyPolicy: policy.name,
      keyIds,
    });
    expect(await deliveryPolicies.remove(name)).toMatchObject({ kind: 'refused' });
    expect(await locators.remove(locator.name)).toEqual(DONE);
    for (let times = 0; times < 2; times += 1) {
      expect(await deliveryPolicies.remove(name)).toEqual(DONE);
      expect(await keyPolicies.remove(policy.name)).toEqual(DONE);
    }
  });

  it('publishes an asset that there is under the id that was chosen, once', async () => {
    const other = { ...LOCATOR, name: 'd5d3e9f0-1111-4222-8333-444455556666', assetName: 'none' };
    expect(await media.locators.create(other)).toMatchObject({ kind: 'refused' });
    expect(await media.locators.create(LOCATOR)).toEqual(DONE);
    expect((await media.locators.create(LOCATOR)).kind).toBe('later');
    const { locatorId, streamingPolicy, keyPolicy } = LOCATOR;
    const found = await media.locators.find(LOCATOR.name);
    expect(found).toMatchObject({ locatorId, streamingPolicy, keyPolicy, keyIds: [] });
    expect(await media.locators.remove(LOCATOR.name)).toEqual(DONE);
    expect(await media.locators.find(LOCATOR.name)).toBeUndefined();
  });

  it('ends a recording, stops and is removed, and what was recorded stays until it is removed', async () => {
    expect(await carriedOut(() => media.outputs.remove('arena', 'final'))).toEqual(DONE);
    await becomes(outputNames, []);
    expect(await carriedOut(() => media.liveEvents.run('arena', 'stop'))).toEqual(DONE);
    await becomes(state, 'stopped');
    expect(await carriedOut(() => media.liveEvents.remove('arena'))).toEqual(DONE);
    await becomes(state, undefined);
    expect(await media.assets.findOwner('arena-final')).toBe('headend:arena/final');
    expect(await media.assets.remove('arena-final')).toEqual(DONE);
    expect(await media.assets.findOwner('arena-final')).toBeUndefined();
  });
});

// A scaling is ordered, followed and read in the same words on both sides.
describe.each([
  ['the engine', () => ({ scalables: mediaScalables(async () => engine.client), settle: () => {} })],
  [
    'the stand-in',
    () => {
      const { scalables, settleScaling } = fakeScalables();
      return { scalables, settle: settleScaling };
    },
  ],
])('scaling with %s', (_name, open) => {
  let scalables: Scalables;
  let settle: () => void;
  beforeAll(async () => {
    // A stopped endpoint only takes note; for the second of the two it runs already.
    const endpoints = mediaStreamingEndpoints(async () => engine.client);
    await endpoints.run('default', 'start');
    await becomes(async () => (await endpoints.find('default'))?.state, 'running');
    ({ scalables, settle } = open());
  });

  it.each([
    { kind: 'streamingEndpoint', name: 'default' },
    { kind: 'encodingCapacity', name: 'default' },
  ] as const satisfies readonly ScaleTarget[])(
    'of $kind is told by its status and by the resource',
    async (target) => {
      const before = await scalables.read(target);
      const units = (before?.units ?? 0) + 2;
      const order = await scalables.order(target, units);
      expect(order).toEqual({ kind: 'done', status: expect.any(String) });
      const status = order.kind === 'done' ? (order.status ?? '') : '';
      await becomes(
        async () => {
          settle();
          return scalables.follow(target, status);
        },
        { kind: 'succeeded' },
      );
      await becomes(() => scalables.read(target), { units, busy: false });
      expect(await scalables.order(target, before?.units ?? 0)).toMatchObject({ kind: 'done' });
      await becomes(async () => {
        settle();
        return scalables.read(target);
      }, before);
    },
  );

  it('knows no other endpoint', async () => {
    expect(await scalables.read({ kind: 'streamingEndpoint', name: 'none' })).toBeUndefined();
  });
});

describe('the engine, asked for what it cannot', () => {
  it('refuses units beyond its limits, and says so', async () => {
    const scalables = mediaScalables(async () => engine.client);
    const endpoint = { kind: 'streamingEndpoint', name: 'default' } as const;
    expect(await scalables.order(endpoint, 5000)).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/scaleUnit/i),
    });
    expect(await scalables.order({ ...endpoint, name: 'none' }, 1)).toMatchObject({ kind: 'refused' });
    const capacity = await mediaEncodingCapacity(async () => engine.client).find();
    expect(capacity).toMatchObject({ activeWorkers: 0, state: 'succeeded' });
    const beyond = (capacity?.unitsMax ?? 0) + 1;
    expect(await scalables.order({ kind: 'encodingCapacity', name: 'default' }, beyond)).toMatchObject({
      kind: 'refused',
    });
  });

  it('is not told anything by addresses that are not its own', async () => {
    const scalables = mediaScalables(async () => engine.client);
    const target = { kind: 'streamingEndpoint', name: 'default' } as const;
    expect(await scalables.follow(target, 'https://example.invalid/operation')).toEqual({ kind: 'unknown' });
  });
});

describe('what the autoscaler reads', () => {
  const ENDPOINT = { kind: 'streamingEndpoint', name: 'default' } as const;
  const CAPACITY = { kind: 'encodingCapacity', name: 'default' } as const;
  const client = async () => engine.client;
  const load = (target: ScaleTarget) =>
    mediaLoadMetrics(client).read(target, { windowMs: 300_000, nowMs: Date.now() });

  it('is how many jobs there are, and nothing of an endpoint that nobody serves', async () => {
    let found = await load(CAPACITY);
    for (let poll = 0; poll < POLLS_MAX && found['jobsPerUnit'] === undefined; poll += 1) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      found = await load(CAPACITY);
    }
    expect(found).toEqual({ jobsPerUnit: { recent: 0, highest: 0 } });
    expect(await load(ENDPOINT)).toEqual({});
  });

  it('is how the targets are', async () => {
    const targets = mediaAutoscaleTargets(client);
    expect(await targets.read({ ...ENDPOINT, name: 'none' })).toBeUndefined();
    expect(await targets.read(ENDPOINT)).toMatchObject({ busy: false, stopped: expect.any(Boolean) });
    expect(await targets.read(CAPACITY)).toMatchObject({ busy: false, stopped: false });
  });
});
