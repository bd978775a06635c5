import type { Services } from '../composition.ts';
import { errorFields, log } from '../log.ts';
import { videoTimeline } from '../workflows/reconcile-video.ts';

const PARALLEL_MAX = 8;

/** Looks at what is due: what events and messages would have said, and what only a clock says. */
export async function sweepDue(app: Services): Promise<void> {
  await Promise.all([
    sweepChannels(app),
    sweepScalings(app),
    sweepProfiles(app),
    sweepVideos(app),
    sweepImports(app),
  ]);
}

/** A scaling is due when its message has not come by for a while. */
async function sweepScalings(app: Services): Promise<void> {
  for (const key of await app.scaleDue.due(app.clock.now())) {
    try {
      const result = await app.reconcileScaling(key);
      if (result.kind === 'waiting')
        await app.scaleQueue.send(result.message, Math.ceil(result.delayMs / 1000));
    } catch (error) {
      // It stays due; the next sweep tries again.
      log('error', 'sweep.failed', { scaling: key, ...errorFields(error) });
    }
  }
}

/** A profile is due when it changed and its message has not come by. */
async function sweepProfiles(app: Services): Promise<void> {
  for (const profile of await app.profileDue.due(app.clock.now())) {
    try {
      const outcome = await app.reconcileProfile(profile);
      if (outcome.kind === 'refused') log('error', 'profile.refused', { profile, code: outcome.code });
    } catch (error) {
      // It stays due; the next sweep tries again.
      log('error', 'sweep.failed', { profile, ...errorFields(error) });
    }
  }
}

async function sweepChannels(app: Services): Promise<void> {
  await sweepEach('channel', await app.due.due(app.clock.now()), async (name) => {
    await app.reconcile(name);
    await app.timeline.prune(name);
  });
}

async function sweepVideos(app: Services): Promise<void> {
  await sweepEach('video', await app.videoDue.due(app.clock.now()), async (name) => {
    await app.reconcileVideo(name);
    await app.timeline.prune(videoTimeline(name).channel);
  });
}

async function sweepImports(app: Services): Promise<void> {
  await sweepEach('import', await app.importDue.due(app.clock.now()), (id) => app.reconcileImport(id));
}

async function sweepEach(
  kind: string,
  due: readonly string[],
  work: (name: string) => Promise<void>,
): Promise<void> {
  const names = [...due];
  const worker = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      try {
        await work(name);
      } catch (error) {
        // It stays due; the next sweep tries again.
        log('error', 'sweep.failed', { [kind]: name, ...errorFields(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_MAX }, worker));
}
