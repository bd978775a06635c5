import { describe, expect, it } from '@jest/globals';
import { ownKeys } from '../../src/lib/adapters/key-provider/own-keys.ts';
import { VideoBody } from '../../src/lib/contracts/video-body.ts';
import type { Video } from '../../src/lib/domain/video.ts';
import { createImport } from '../../src/lib/workflows/api-imports.ts';
import { openUpload, putVideo, runVideo } from '../../src/lib/workflows/api-videos.ts';
import { reconcileImport } from '../../src/lib/workflows/reconcile-import.ts';
import { reconcileVideo } from '../../src/lib/workflows/reconcile-video.ts';
import { fakeMediaService } from '../support/fake-media-service.ts';
import { fakeVideoMedia } from '../support/fake-video-media.ts';
import { memorySecrets } from '../support/memory-secrets.ts';
import { memoryStores } from '../support/memory-stores.ts';

const CALLER = { by: 'test', ifMatch: undefined };
const SWEEPS_MAX = 12;

/** The app without a host: stores and media service in memory, a clock by hand, crashes on demand, lost messages. */
function openWorld() {
  let crashIn = Number.POSITIVE_INFINITY;
  const step = () => {
    crashIn -= 1;
    if (crashIn < 0) throw new Error('crash');
  };
  let nowMs = 1_800_000_000_000;
  let guids = 0;
  const nextGuid = () => {
    guids += 1;
    return String(guids).padStart(8, '0');
  };
  const fake = fakeMediaService({ step });
  const videos = fakeVideoMedia({ assets: fake.state.assets, step });
  const stores = memoryStores(step);
  const secrets = memorySecrets(step);
  const deps = {
    ...stores,
    queue: { ...stores.queue, sendImport: async () => {} },
    clock: { now: () => nowMs },
    media: fake.media,
    videoMedia: videos.videoMedia,
    secrets,
    keyProviderOf: () => ownKeys,
    random: { guid: () => `${nextGuid()}-0000-4000-8000-000000000000` },
  };
  return {
    fake,
    videos,
    deps,
    secrets,
    with: { caller: CALLER, deps },
    rows: stores.videoRows.rows,
    crashAfter(steps: number) {
      crashIn = steps;
    },
    /** Only the sweep is left. */
    async converge() {
      crashIn = Number.POSITIVE_INFINITY;
      for (let round = 0; round < SWEEPS_MAX; round += 1) {
        nowMs += 61_000;
        for (const id of await deps.importDue.due(nowMs)) await reconcileImport(id, deps);
        for (const name of await deps.videoDue.due(nowMs)) await reconcileVideo(name, deps);
      }
    },
  };
}

type World = ReturnType<typeof openWorld>;

const found = (world: World): Video => {
  const stored = world.rows.get('lecture');
  if (stored === undefined) throw new Error('no video');
  return stored.value;
};

const BODY = VideoBody.parse({
  source: { upload: {} },
  protection: 'aes',
  indexing: { language: 'en-US' },
});

async function setUp(world: World): Promise<void> {
  await putVideo({ name: 'lecture', settings: BODY }, world.with);
  await openUpload('lecture', { lifetimeMs: 3_600_000, file: null }, world.with);
  world.videos.upload(`v-lecture-${found(world).id.slice(0, 8)}-input`, 'a.mp4');
}

/** Runs something, which may die. */
async function dying(work: () => Promise<unknown>): Promise<void> {
  await work().catch((error: unknown) => {
    if (!(error instanceof Error) || error.message !== 'crash') throw error;
  });
}

function picture(world: World) {
  const { id, published } = found(world);
  const base = `v-lecture-${id.slice(0, 8)}`;
  const short = (name: string) => name.replace(base, '');
  return {
    published,
    jobs: world.videos.state.made.map(short),
    assets: [...world.fake.state.assets.keys()].map(short).sort(),
    locators: [...world.fake.state.locators.values()].map(({ assetName }) => short(assetName)).sort(),
    manifests: [...(world.videos.state.files.get(`${base}-1`)?.keys() ?? [])].filter((name) =>
      name.endsWith('.ism'),
    ),
    tracks: [...world.videos.state.tracks.keys()].map(short),
    keys: found(world).contentKeys.length,
  };
}

const PUBLISHED = {
  published: true,
  jobs: ['-1'],
  assets: ['-1', '-1-images', '-1-index', '-input'],
  locators: ['-1', '-1-images'],
  manifests: ['lecture.ism'],
  tracks: ['-1/captions-en-us'],
  keys: 1,
};

/** Further than any of these goes. */
const CRASHES_MAX = 400;

describe('a crash at any step', () => {
  it('of encoding and publishing starts nothing twice, and the sweep finishes what was begun', async () => {
    let begun = 0;
    for (let steps = 1; steps < CRASHES_MAX; steps += 3) {
      const world = openWorld();
      await setUp(world);
      world.crashAfter(steps);
      let hasDied = true;
      await dying(async () => {
        await reconcileVideo('lecture', world.deps);
        hasDied = false;
      });
      await world.converge();
      world.videos.finish(`v-lecture-${found(world).id.slice(0, 8)}-1`);
      world.crashAfter(steps);
      await dying(async () => {
        await reconcileVideo('lecture', world.deps);
        if (!hasDied) begun = steps;
      });
      await world.converge();
      expect({ steps, ...picture(world) }).toEqual({ steps, ...PUBLISHED });
      if (begun > 0) break;
    }
    // The last one was not reached by its crash: all that came before it were.
    expect(begun).toBeGreaterThan(50);
  });

  it('of a deletion leaves nothing', async () => {
    let isOver = false;
    for (let steps = 1; steps < CRASHES_MAX && !isOver; steps += 2) {
      const world = openWorld();
      await setUp(world);
      await world.converge();
      world.videos.finish(`v-lecture-${found(world).id.slice(0, 8)}-1`);
      await world.converge();
      await runVideo('lecture', 'encode', world.with);
      await runVideo('lecture', 'delete', world.with);
      world.crashAfter(steps);
      await dying(async () => {
        for (let round = 0; round < 3; round += 1) await reconcileVideo('lecture', world.deps);
        isOver = true;
      });
      await world.converge();
      expect({
        steps,
        rows: [...world.rows.keys()],
        assets: [...world.fake.state.assets.keys()],
        locators: [...world.fake.state.locators.keys()],
        jobs: [...world.videos.state.jobs.keys()],
        uploads: [...world.deps.uploadRows.keys()],
        secrets: [...world.secrets.kept.keys()].filter((name) => name.startsWith('content-key')),
        due: [...world.deps.videoDueRows.keys()],
      }).toEqual({ steps, rows: [], assets: [], locators: [], jobs: [], uploads: [], secrets: [], due: [] });
    }
    expect(isOver).toBe(true);
  });

  it('of an import makes each video once, or leaves nothing of it', async () => {
    const items = Array.from({ length: 4 }, (_, index) => ({
      video: `film-${index}`,
      settings: VideoBody.parse({ source: { url: `https://a.example/${index}.mp4?sig=x` } }),
    }));
    let isOver = false;
    for (let steps = 1; steps < CRASHES_MAX && !isOver; steps += 3) {
      const world = openWorld();
      world.crashAfter(steps);
      await dying(async () => {
        const { value } = await createImport({ description: '', items }, world.with);
        await reconcileImport(value.id, world.deps);
        isOver = true;
      });
      await world.converge();
      const made = [...world.rows.keys()].sort();
      const isAll = made.length === items.length;
      expect({ steps, made: isAll || made.length === 0 }).toEqual({ steps, made: true });
      expect(world.videos.state.made).toHaveLength(made.length);
      expect([...world.secrets.kept.keys()].filter((name) => name.startsWith('source-'))).toHaveLength(
        made.length,
      );
      if (!isAll) expect([...world.deps.itemRows.keys()]).toEqual([]);
    }
    expect(isOver).toBe(true);
  });
});
