import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ownKeys } from '../../src/lib/adapters/key-provider/own-keys.ts';
import { ChannelBody } from '../../src/lib/contracts/channel-body.ts';
import { ProgramBody } from '../../src/lib/contracts/program-body.ts';
import { ProtectionProfileBody } from '../../src/lib/contracts/protection-body.ts';
import { programState } from '../../src/lib/domain/program.ts';
import { putChannel, runChannel } from '../../src/lib/workflows/api-channels.ts';
import {
  changeProgram,
  putProgram,
  runProgram,
  withProgramSettings,
} from '../../src/lib/workflows/api-programs.ts';
import { deleteProfile, putProfile } from '../../src/lib/workflows/api-protection.ts';
import { handleLiveEvent } from '../../src/lib/workflows/handle-live-event.ts';
import { reconcileChannel } from '../../src/lib/workflows/reconcile-channel.ts';
import { reconcileProfile } from '../../src/lib/workflows/reconcile-profile.ts';
import { fakeMediaService } from '../support/fake-media-service.ts';
import { memorySecrets } from '../support/memory-secrets.ts';
import { memoryStores } from '../support/memory-stores.ts';

const CALLER = { by: 'test', ifMatch: undefined };
const SWEEPS_MAX = 60;

/** The app without a host: stores and media service in memory, a clock by hand, crashes on demand. */
function openWorld({ slow = false } = {}) {
  let crashIn = Number.POSITIVE_INFINITY;
  const step = () => {
    crashIn -= 1;
    if (crashIn < 0) throw new Error('crash');
  };
  let nowMs = 1_800_000_000_000;
  let guids = 0;
  const nextGuid = () => {
    guids += 1;
    return guids;
  };
  const fake = fakeMediaService({ slow, step });
  const stores = memoryStores(step);
  const clock = { now: () => nowMs };
  const deps = {
    ...stores,
    clock,
    media: fake.media,
    secrets: memorySecrets(step),
    keyProviderOf: () => ownKeys,
    random: { guid: () => `00000000-0000-4000-8000-${String(nextGuid()).padStart(12, '0')}` },
  };
  const reconcile = (name: string) => reconcileChannel(name, deps);
  const applyProfile = (name: string) => reconcileProfile(name, deps);
  const world = {
    ...fake,
    deps,
    with: { caller: CALLER, deps },
    reconcile,
    applyProfile,
    crashAfter: (steps: number) => {
      crashIn = steps;
    },
    advance: (ms: number) => {
      nowMs += ms;
    },
    async sweep() {
      for (const name of await deps.profileDue.due(nowMs)) await applyProfile(name);
      for (const name of await deps.due.due(nowMs)) await reconcile(name);
    },
    async converge() {
      crashIn = Number.POSITIVE_INFINITY;
      for (let round = 0; round < SWEEPS_MAX; round += 1) {
        world.settle();
        world.advance(11_000);
        await world.sweep();
      }
    },
    now: clock.now,
  };
  return world;
}

type World = ReturnType<typeof openWorld>;

async function setUp(world: World, protection = 'clear'): Promise<void> {
  await putChannel('arena', ChannelBody.parse({}), world.with);
  await putProgram({ channel: 'arena', program: 'final' }, ProgramBody.parse({ protection }), world.with);
  await runChannel('arena', { verb: 'start', finishPrograms: false }, world.with);
}

/** What matters of the service's state. */
function picture(world: World) {
  return {
    liveEvent: world.state.liveEvents.get('arena')?.state,
    outputs: (world.state.outputs.get('arena') ?? []).map(({ name }) => name),
    assets: [...world.state.assets],
    locators: [...world.state.locators.values()].map(({ assetName }) => assetName),
  };
}

const ON_AIR = {
  liveEvent: 'running',
  outputs: ['final'],
  assets: [['arena-final', 'headend:arena/final']],
  locators: ['arena-final'],
};

describe('reconcile without any event', () => {
  it.each([{ slow: false }, { slow: true }])(
    'takes a program from wanted to on-demand when the service is slow: $slow',
    async ({ slow }) => {
      const world = openWorld({ slow });
      await setUp(world);
      await world.converge();
      expect(picture(world)).toEqual({ ...ON_AIR, locators: [] });
      world.state.sending = true;
      await world.converge();
      expect(picture(world)).toEqual(ON_AIR);
      await runProgram({ channel: 'arena', program: 'final' }, 'finish', world.with);
      await world.converge();
      expect(picture(world)).toEqual({ ...ON_AIR, outputs: [] });
      const stored = await world.deps.programs.find('arena', 'final');
      expect(stored && programState(stored.value, { encoderSending: true })).toBe('finished');
      expect([...world.deps.rows.operationRows.values()].map(({ status }) => status)).toEqual([
        'Succeeded',
        'Succeeded',
      ]);
    },
  );

  it('stops a channel whose input went away, and not one whose input goes on', async () => {
    const world = openWorld();
    await setUp(world);
    world.state.sending = true;
    for (let round = 0; round < 250; round += 1) {
      world.advance(10_000);
      await world.sweep();
    }
    expect(picture(world)).toEqual(ON_AIR);
    world.state.sending = false;
    for (let round = 0; round < 250; round += 1) {
      world.advance(10_000);
      await world.sweep();
    }
    expect(picture(world).liveEvent).toBe('stopped');
  });
});

describe('a claim', () => {
  it('that was left behind blocks for three seconds, and then what was left undone is done', async () => {
    const world = openWorld();
    await setUp(world);
    expect(await world.deps.claims.take('arena', world.now())).toBeDefined();
    expect(await world.reconcile('arena')).toBe('busy');
    expect(picture(world).liveEvent).toBeUndefined();
    world.advance(3_000);
    expect(await world.reconcile('arena')).toBe('settled');
    expect(picture(world)).toEqual({ ...ON_AIR, locators: [] });
  });

  it('that was lost to another ends the reconcile before it writes anything', async () => {
    const world = openWorld();
    await setUp(world);
    const lost = { take: async () => ({ extend: async () => false, release: async () => {} }) };
    expect(await reconcileChannel('arena', { ...world.deps, claims: lost })).toBe('busy');
    expect(picture(world)).toEqual({ liveEvent: undefined, outputs: [], assets: [], locators: [] });
    expect((await world.deps.channels.find('arena'))?.value.actual).toBeNull();
  });
});

describe('events that are lost, doubled, late, forged, and crashes anywhere', () => {
  const action = fc.oneof(
    fc.record({
      kind: fc.constant('event' as const),
      ageMs: fc.integer({ min: -400_000, max: 100_000_000 }),
      id: fc.constantFrom('a', 'b'),
    }),
    fc.record({ kind: fc.constant('crash' as const), steps: fc.integer({ min: 0, max: 60 }) }),
    fc.record({ kind: fc.constant('settle' as const) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 15_000 }) }),
  );

  it('reach the same state', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(action, { maxLength: 25 }), async (slow, actions) => {
        const world = openWorld({ slow });
        await setUp(world);
        world.state.sending = true;
        for (const item of actions) await perform(item, world);
        await world.converge();
        expect(picture(world)).toEqual(ON_AIR);
      }),
      { numRuns: 150 },
    );
  });

  async function perform(
    item: { kind: string; ageMs?: number; id?: string; steps?: number; ms?: number },
    world: World,
  ) {
    if (item.kind === 'settle') return world.settle();
    if (item.kind === 'wait') return world.advance(item.ms ?? 0);
    if (item.kind === 'crash') return world.crashAfter(item.steps ?? 0);
    const notice = {
      id: item.id ?? '',
      channel: 'arena',
      type: 'LiveEventEncoderConnected',
      atMs: world.now() - (item.ageMs ?? 0),
      effect: '',
      health: undefined,
      healthLasts: false,
      encoder: item.id === 'b' ? ('disconnected' as const) : ('connected' as const),
      connection: '',
      reconcile: true,
    };
    try {
      await handleLiveEvent(notice, { ...world.deps, reconcile: world.reconcile });
    } catch {
      world.crashAfter(Number.POSITIVE_INFINITY);
    }
    return undefined;
  }
});

const CENC = { hls: 'cbcs', dash: 'cenc', drm: { clearKey: {} } } as const;
const AES = { hls: 'aes128' } as const;
const FINAL = { channel: 'arena', program: 'final' };

const putRental = (world: World, body: object) =>
  putProfile('rental', ProtectionProfileBody.parse({ delivery: CENC, ...body }), world.with);

/** What the media service has of the program's protection, without what is random. */
function protectionPicture(world: World) {
  const locators = [...world.state.locators.values()];
  const keys = locators.flatMap(({ contentKeys }) => contentKeys);
  return {
    keyPolicies: [...world.state.keyPolicies.values()].map(({ name, options, restriction }) => ({
      name,
      options,
      access: restriction.access,
      issuer: restriction.access === 'token' ? restriction.issuer : '',
    })),
    deliveries: [...world.state.deliveryPolicies.values()].map(({ hls, dash }) => ({ hls, dash })),
    locators: locators.map(({ keyPolicy, contentKeys }) => [
      keyPolicy,
      ...contentKeys.map(({ label }) => label),
    ]),
    keysApart: new Set(keys.map(({ value }) => value)).size === keys.length,
    keysKept: keys.every(({ id, value }) => world.deps.secrets.kept.get(`content-key-${id}`) === value),
  };
}

describe('protection, with crashes and changes anywhere', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('crash' as const), steps: fc.integer({ min: 0, max: 90 }) }),
    fc.record({ kind: fc.constant('issuer' as const), issuer: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ kind: fc.constant('reconcile' as const) }),
    fc.record({ kind: fc.constant('sweep' as const) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 15_000 }) }),
    fc.record({ kind: fc.constant('unpublish' as const) }),
    fc.record({ kind: fc.constant('publish' as const) }),
    fc.record({ kind: fc.constant('send' as const) }),
  );
  type Item = typeof step extends fc.Arbitrary<infer T> ? T : never;

  async function perform(item: Item, world: World): Promise<unknown> {
    switch (item.kind) {
      case 'crash':
        return world.crashAfter(item.steps);
      case 'issuer':
        return putRental(world, { keys: { access: 'token', issuer: item.issuer } });
      case 'reconcile':
        return world.reconcile('arena');
      case 'sweep':
        return world.sweep();
      case 'wait':
        return world.advance(item.ms);
      case 'send':
        world.state.sending = true;
        return undefined;
      default:
        return runProgram(FINAL, item.kind, world.with);
    }
  }

  it('end with one key policy, one delivery policy and one locator with keys of its own', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 25 }), async (slow, items) => {
        const world = openWorld({ slow });
        await putRental(world, {});
        await setUp(world, 'rental');
        for (const item of items)
          await perform(item, world).catch(() => world.crashAfter(Number.POSITIVE_INFINITY));
        world.crashAfter(Number.POSITIVE_INFINITY);
        await putRental(world, { keys: { access: 'token', issuer: 'last' } });
        world.advance(3_000);
        await runProgram(FINAL, 'publish', world.with);
        world.state.sending = true;
        await world.converge();
        expect(protectionPicture(world)).toEqual({
          keyPolicies: [{ name: 'headend-rental', options: ['clearKey'], access: 'token', issuer: 'last' }],
          deliveries: [{ hls: 'cbcs', dash: 'cenc' }],
          locators: [['headend-rental', 'cencKeyDefault', 'cbcsKeyDefault']],
          keysApart: true,
          keysKept: true,
        });
      }),
      { numRuns: 50 },
    );
  });

  it('keep their keys through unpublishing, get new ones with another kind of protection, and leave none', async () => {
    const world = openWorld();
    await putRental(world, {});
    await setUp(world, 'rental');
    world.state.sending = true;
    await world.converge();
    const keys = () => [...world.state.locators.values()].flatMap(({ contentKeys }) => contentKeys);
    const first = keys();
    expect(first).toHaveLength(2);
    await expect(putRental(world, { delivery: AES })).rejects.toMatchObject({ code: 'profilePublished' });
    await runProgram(FINAL, 'unpublish', world.with);
    await world.converge();
    expect(keys()).toEqual([]);
    await runProgram(FINAL, 'publish', world.with);
    await world.converge();
    expect(keys()).toEqual(first);

    await runProgram(FINAL, 'unpublish', world.with);
    await world.converge();
    await putRental(world, { delivery: AES });
    await runProgram(FINAL, 'publish', world.with);
    await world.converge();
    expect(keys().map(({ label }) => label)).toEqual(['clearKeyDefault']);
    expect(protectionPicture(world).deliveries).toEqual([{ hls: 'aes128', dash: 'off' }]);

    await expect(deleteProfile('rental', world.with)).rejects.toMatchObject({ code: 'profileInUse' });
    await runProgram(FINAL, 'finish', world.with);
    await world.converge();
    await runProgram(FINAL, 'deleteRecording', world.with);
    await world.converge();
    await deleteProfile('rental', world.with);
    await world.converge();
    expect(protectionPicture(world)).toMatchObject({ keyPolicies: [], deliveries: [], locators: [] });
    expect([...world.deps.secrets.kept.keys()]).toEqual(['playback-token-key']);
    expect(world.deps.rows.profileRows.rows.size).toBe(0);
  });

  it('that is gone or lost lets nobody in, and says why', async () => {
    const world = openWorld();
    await putRental(world, {});
    await setUp(world, 'rental');
    await world.converge();
    for (const name of [...world.deps.secrets.kept.keys()])
      if (name.startsWith('token-key')) world.deps.secrets.kept.delete(name);
    world.state.sending = true;
    await world.converge();
    const seen = async () => {
      const program = (await world.deps.programs.find('arena', 'final'))?.value;
      const ready = program?.conditions.find(({ type }) => type === 'KeyPolicyReady');
      return [program?.published, program?.failure?.code, ready?.reason];
    };
    expect(await seen()).toEqual([false, 'tokenKeyMissing', 'tokenKeyMissing']);
    world.deps.rows.profileRows.rows.clear();
    await world.converge();
    expect(await seen()).toEqual([false, 'protectionProfileMissing', 'profileMissing']);
    await changeProgram(
      FINAL,
      (program) => withProgramSettings(program, { ...program.settings, protection: 'aes' }),
      world.with,
    );
    await world.converge();
    expect(await seen()).toEqual([true, undefined, 'ready']);
  });
});
