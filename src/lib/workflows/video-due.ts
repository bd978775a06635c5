import { isUpload, type Video, videoMoments } from '../domain/video.ts';
import type { Outcome } from './media-service.ts';

const RETRY_MS = 2_000;
const REFUSED_RETRY_MS = 60_000;
const LOOK_MS_MIN = 5_000;
const LOOK_MS_MAX = 60_000;
/** No event may ever say how it goes: the longer it has been so, the less often it is looked at. */
const LOOK_SHARE = 10;

/** When it has to be looked at again, whatever happens; undefined: nothing is left to do. */
export function nextLookMs(
  video: Video,
  { failed, nowMs }: { failed: Outcome | undefined; nowMs: number },
): number | undefined {
  const moments = [
    ...videoMoments(video).filter((moment) => moment > nowMs),
    ...(video.deleted ? [nowMs + RETRY_MS] : waits(video, nowMs)),
    ...(failed === undefined ? [] : [nowMs + (failed.kind === 'refused' ? REFUSED_RETRY_MS : RETRY_MS)]),
  ];
  return moments.length === 0 ? undefined : Math.min(...moments);
}

function waits(video: Video, nowMs: number): readonly number[] {
  const { attempt, encodeWanted, settings, uploadOpen } = video;
  const isAwaited = encodeWanted || (attempt === null && isUpload(settings.source));
  const again = (sinceMs: number): number =>
    nowMs + Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, (nowMs - sinceMs) / LOOK_SHARE));
  if (attempt?.state === 'running') return [again(attempt.startedAtMs)];
  if (attempt?.retryAtMs != null) return [Math.max(nowMs, attempt.retryAtMs)];
  if (!isAwaited) return [];
  if (!isUpload(settings.source)) return [again(video.changedAtMs)];
  // While nobody can upload, nothing can arrive.
  return uploadOpen !== null && uploadOpen.untilMs + LOOK_MS_MAX > nowMs ? [again(uploadOpen.sinceMs)] : [];
}
