import type { Failure } from '../domain/channel.ts';
import { decideVideo, type VideoStep } from '../domain/decide-video.ts';
import { observeVideo } from '../domain/observe-video.ts';
import type { KeyProviderSettings } from '../domain/protection.ts';
import { inputAssetOf, uploadContainerOf, type Video } from '../domain/video.ts';
import { videoOperationProgress } from '../domain/video-progress.ts';
import type { VideoSnapshot } from '../domain/video-snapshot.ts';
import { carryOutVideo, type VideoOutcome, type VideoTools } from './carry-out-video.ts';
import { advanceOperations } from './close-operations.ts';
import type { KeyProvider } from './key-provider.ts';
import type { MediaService, Outcome } from './media-service.ts';
import { forgetProtection, protectionSteps } from './protect-media.ts';
import type { ProfileStore, ProfileUsers } from './protection-ports.ts';
import { readVideo, type VideoReading } from './read-video.ts';
import type { SecretStore } from './secret-store.ts';
import { forgetAddress } from './source-address.ts';
import type {
  Claim,
  Claims,
  Clock,
  DueIndex,
  OperationStore,
  ProgramStore,
  ReconcileQueue,
  Stored,
  Timeline,
} from './stores.ts';
import { timelineId } from './timeline-entries.ts';
import { nextLookMs } from './video-due.ts';
import type { UploadIndex, VideoMedia, VideoStore } from './video-ports.ts';

/** Steps follow one another in one call as long as each is done at once; what is left goes on in the queue. */
const ROUNDS_MAX = 16;
const WAIT_SECONDS = 1;

export interface VideoReconcileDependencies {
  readonly videos: VideoStore;
  readonly uploadIndex: UploadIndex;
  readonly videoDue: DueIndex;
  readonly operations: OperationStore;
  readonly timeline: Timeline;
  readonly claims: Claims;
  readonly queue: ReconcileQueue;
  readonly clock: Clock;
  readonly media: MediaService;
  readonly videoMedia: VideoMedia;
  readonly due: DueIndex;
  readonly programs: ProgramStore;
  readonly profiles: ProfileStore;
  readonly profileUsers: ProfileUsers;
  readonly profileDue: DueIndex;
  readonly secrets: SecretStore;
  readonly keyProviderOf: (settings: KeyProviderSettings) => KeyProvider;
}

export type VideoReconcileResult = 'settled' | 'waiting' | 'busy' | 'gone';

/** Whose timeline tells of a video; names of channels have no `!`. */
export const videoTimeline = (video: string): { readonly channel: string; readonly program: null } => ({
  channel: `video!${video}`,
  program: null,
});

/** Closes the difference between what is wanted of a video and what the media service says. */
export async function reconcileVideo(
  name: string,
  deps: VideoReconcileDependencies,
): Promise<VideoReconcileResult> {
  const claim = await deps.claims.take(`video!${name}`, deps.clock.now());
  if (claim === undefined) {
    await deps.queue.sendVideo(name, WAIT_SECONDS);
    return 'busy';
  }
  try {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const stored = await deps.videos.find(name);
      if (stored === undefined) {
        await deps.videoDue.clear(name);
        return 'gone';
      }
      const result = await reconcileRound(stored, claim, deps);
      if (result !== 'again') return result;
    }
    await deps.queue.sendVideo(name, WAIT_SECONDS);
    return 'waiting';
  } finally {
    await claim.release();
  }
}

async function reconcileRound(
  stored: Stored<Video>,
  claim: Claim,
  deps: VideoReconcileDependencies,
): Promise<VideoReconcileResult | 'again'> {
  const nowMs = deps.clock.now();
  const reading = await readVideo(stored.value, nowMs, deps);
  // Who was too slow has lost the claim: another one goes on, and nothing more is written here.
  if (!(await claim.extend(deps.clock.now()))) return 'busy';
  const seen = await saveSeen(stored, reading.snapshot, deps);
  if (seen === undefined) return 'again';
  const snapshot = { ...reading.snapshot, video: seen.value };
  const steps = decideVideo(snapshot);
  if (steps.some(({ kind }) => kind === 'forget')) return forgetVideo(seen, deps);
  const results = await carryOutAll(steps, { seen, reading, nowMs }, deps);
  const outcomes = results.map(({ outcome }) => outcome);
  const failed = outcomes.find(({ kind }) => kind !== 'done');
  const saved = await saveOutcome(seen, { results, snapshot }, deps);
  if (saved === undefined || (steps.length > 0 && failed === undefined)) return 'again';
  return settle(saved.value, { failed, snapshot }, deps);
}

/** What was read is stored before anything follows from it: an encoding has its number before it has a job. */
async function saveSeen(
  stored: Stored<Video>,
  snapshot: VideoSnapshot,
  deps: VideoReconcileDependencies,
): Promise<Stored<Video> | undefined> {
  const seen = withMissingProfile(observeVideo(snapshot), snapshot);
  const kept = await saveIfChanged(stored, seen, deps);
  return kept === undefined ? undefined : tell(kept, deps);
}

function withMissingProfile(video: Video, { protection, nowMs }: VideoSnapshot): Video {
  if (protection !== undefined || video.deleted) return video;
  const message = `There is no protection profile ${video.settings.protection}: make it, or give the video another.`;
  const atMs = video.failure?.code === 'protectionProfileMissing' ? video.failure.atMs : nowMs;
  return { ...video, failure: { code: 'protectionProfileMissing', message, atMs } };
}

async function saveIfChanged(
  before: Stored<Video>,
  next: Video,
  { videos, videoDue, clock }: VideoReconcileDependencies,
): Promise<Stored<Video> | undefined> {
  if (JSON.stringify(next) === JSON.stringify(before.value)) return before;
  await videoDue.set(next.name, clock.now());
  const etag = await videos.save(next, before.etag);
  return etag === undefined ? undefined : { value: next, etag };
}

/** What is to be told is stored first and taken out when it is told: a crash in between tells it again, as one entry. */
async function tell(
  stored: Stored<Video>,
  deps: VideoReconcileDependencies,
): Promise<Stored<Video> | undefined> {
  const { untold, name } = stored.value;
  if (untold.length === 0) return stored;
  for (const { key, atMs, type, effect, milliseconds } of untold) {
    await deps.timeline.add({
      ...videoTimeline(name),
      id: timelineId(atMs, key),
      ...{ atMs, type, effect, milliseconds },
      source: 'reconcile',
      by: 'headend',
    });
  }
  return saveIfChanged(stored, { ...stored.value, untold: [] }, deps);
}

interface Carried extends VideoOutcome {
  readonly step: VideoStep;
}

async function carryOutAll(
  steps: readonly VideoStep[],
  { seen, reading, nowMs }: { seen: Stored<Video>; reading: VideoReading; nowMs: number },
  deps: VideoReconcileDependencies,
): Promise<readonly Carried[]> {
  const tools: VideoTools = {
    ...deps,
    protection: protectionSteps(reading.profiles, deps),
    save: (change) => deps.videos.save(change(seen.value), seen.etag),
    nowMs,
  };
  const results: Carried[] = [];
  for (const step of steps) {
    if (step.kind === 'forget') continue;
    results.push({ step, ...(await carryOutVideo(seen.value, step, tools)) });
  }
  return results;
}

/** Undefined: somebody was in between, or a step has stored something itself. */
async function saveOutcome(
  seen: Stored<Video>,
  { results, snapshot }: { results: readonly Carried[]; snapshot: VideoSnapshot },
  deps: VideoReconcileDependencies,
): Promise<Stored<Video> | undefined> {
  const refused = results.find(({ outcome }) => outcome.kind === 'refused');
  const changed = results.reduce((video, { change }) => change?.(video) ?? video, seen.value);
  const failure = failureOf(refused, changed, snapshot);
  const next = { ...changed, failure };
  const { nowMs } = snapshot;
  const openOperations = await advanceOperations(next.openOperations, {
    progressOf: (operation) => videoOperationProgress(operation, next, nowMs),
    nowMs,
    operations: deps.operations,
  });
  return saveIfChanged(seen, { ...next, openOperations }, deps);
}

function failureOf(
  refused: Carried | undefined,
  video: Video,
  { protection, nowMs }: VideoSnapshot,
): Failure | null {
  if (refused !== undefined && refused.outcome.kind === 'refused') {
    const { code, message } = refused.outcome;
    return { code, message, atMs: nowMs, step: refused.step.kind };
  }
  return protection === undefined ? video.failure : null;
}

async function settle(
  video: Video,
  { failed, snapshot }: { failed: Outcome | undefined; snapshot: VideoSnapshot },
  deps: VideoReconcileDependencies,
): Promise<VideoReconcileResult> {
  const dueMs = nextLookMs(video, { failed, nowMs: snapshot.nowMs });
  if (dueMs === undefined) await deps.videoDue.clear(video.name);
  else await deps.videoDue.set(video.name, dueMs);
  if (failed?.kind === 'later') await deps.queue.sendVideo(video.name, WAIT_SECONDS);
  const retryAtMs = video.attempt?.retryAtMs ?? null;
  if (retryAtMs !== null && snapshot.job !== undefined)
    await deps.queue.sendVideo(video.name, secondsUntil(retryAtMs, deps.clock));
  return dueMs === undefined ? 'settled' : 'waiting';
}

const secondsUntil = (atMs: number, clock: Clock): number =>
  Math.ceil(Math.max(0, atMs - clock.now()) / 1000);

/** All that it had in the media service is gone; what is left goes, and the row as the last. */
async function forgetVideo(
  { value: video, etag }: Stored<Video>,
  deps: VideoReconcileDependencies,
): Promise<VideoReconcileResult | 'again'> {
  const assets = [inputAssetOf(video), ...(video.ownsSource ? [video.sourceAsset ?? ''] : [])];
  const removals = await Promise.all(assets.map((asset) => deps.media.assets.remove(asset)));
  const removed = removals.find(({ kind }) => kind !== 'done');
  if (removed !== undefined) {
    const dueMs = nextLookMs(video, { failed: removed, nowMs: deps.clock.now() });
    await deps.videoDue.set(video.name, dueMs ?? deps.clock.now());
    if (removed.kind === 'later') await deps.queue.sendVideo(video.name, WAIT_SECONDS);
    return 'waiting';
  }
  await deps.uploadIndex.remove(uploadContainerOf(video));
  await forgetAddress(video.id, deps.secrets);
  await forgetProtection(video, { video: video.name }, deps);
  await advanceOperations(video.openOperations, {
    progressOf: (operation) => videoOperationProgress(operation, undefined, deps.clock.now()),
    nowMs: deps.clock.now(),
    operations: deps.operations,
  });
  await deps.timeline.forget(videoTimeline(video.name).channel);
  if (!(await deps.videos.remove(video.name, etag))) return 'again';
  await deps.videoDue.clear(video.name);
  return 'gone';
}
