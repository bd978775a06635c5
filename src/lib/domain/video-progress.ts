import { isPlayable } from './decide-video.ts';
import type { Progress } from './operation-progress.ts';
import {
  isUpload,
  type OpenVideoOperation,
  type Video,
  type VideoState,
  videoState,
  wantsVideoPublished,
} from './video.ts';

const ALL = 100;
const INDEX_SHARE = 0.2;
/** Until viewers can have it. */
const WORK_SHARE = 0.95;

export interface VideoProgress {
  readonly overall: number;
  readonly upload: number | null;
  readonly encode: number;
  readonly index: number | null;
}

const percent = (value: number): number => Math.min(ALL, Math.max(0, Math.round(value)));

/** Estimates in percent. */
export function videoProgress(video: Video, nowMs: number): VideoProgress {
  const { attempt, media } = video;
  const isOver = media !== null && (attempt === null || media.attempt === attempt.number);
  const indexing = attempt === null ? video.settings.indexing : attempt.indexing;
  const encode = isOver ? ALL : percent(attempt?.progress.encode ?? 0);
  const indexed = isOver && isPlayable(video) ? ALL : percent(attempt?.progress.index ?? 0);
  const index = indexing === null ? null : indexed;
  const work = index === null ? encode : encode * (1 - INDEX_SHARE) + index * INDEX_SHARE;
  const isAtEnd = isOver && isPlayable(video) && (video.published || !wantsVideoPublished(video, nowMs));
  return {
    overall: isAtEnd ? ALL : percent(work * WORK_SHARE),
    upload: uploadProgress(video),
    encode,
    index,
  };
}

function uploadProgress({ settings: { source }, uploads }: Video): number | null {
  if (!isUpload(source)) return null;
  const { files } = source.upload;
  if (files === null) return uploads.length > 0 ? ALL : 0;
  const arrived = files.filter((name) => uploads.some(({ file }) => file === name)).length;
  return percent((arrived / files.length) * ALL);
}

const done: Progress = { status: 'Succeeded', percentComplete: ALL, step: 'done', error: null };
const superseded: Progress = {
  status: 'Canceled',
  percentComplete: ALL,
  step: 'superseded',
  error: { code: 'superseded', message: 'A later call asked for something else.' },
};
const running = (percentComplete: number, step: string): Progress => ({
  status: 'Running',
  percentComplete,
  step,
  error: null,
});
const failed = (code: string, message: string): Progress => ({
  status: 'Failed',
  percentComplete: ALL,
  step: 'failed',
  error: { code, message },
});

/** How far an operation is; `video` undefined: it is gone. */
export function videoOperationProgress(
  { kind }: Pick<OpenVideoOperation, 'kind'>,
  video: Video | undefined,
  nowMs: number,
): Progress {
  if (video === undefined) return kind === 'video.delete' ? done : superseded;
  if (kind === 'video.delete') return withRefusal(running(50, 'removing it'), video);
  if (video.deleted) return superseded;
  if (kind === 'video.encode') return encodeProgress(video, nowMs);
  if (kind === 'video.publish') return publishProgress(video, nowMs);
  if (video.publishingWanted !== 'unpublished') return superseded;
  return video.published ? withRefusal(running(50, 'unpublishing'), video) : done;
}

const withRefusal = (progress: Progress, { failure }: Video): Progress =>
  failure === null ? progress : failed(failure.code, failure.message);

const STEPS: Readonly<Partial<Record<VideoState, string>>> = {
  queued: 'waiting for its turn',
  encoding: 'encoding',
  indexing: 'indexing',
  retrying: 'waiting to try again',
  awaitingUpload: 'waiting for the upload',
  awaitingRecording: 'waiting for the end of the recording',
};

function encodeProgress(video: Video, nowMs: number): Progress {
  const { attempt, media, error, encodeWanted } = video;
  const { overall } = videoProgress(video, nowMs);
  if (encodeWanted) return running(0, STEPS[videoState(video, nowMs)] ?? 'waiting');
  if (attempt !== null && media?.attempt === attempt.number)
    return isPlayable(video) ? done : withRefusal(running(overall, 'adding captions'), video);
  if (error !== null && error.retry !== 'automatic') return failed(error.code, error.reason);
  return withRefusal(running(overall, STEPS[videoState(video, nowMs)] ?? 'encoding'), video);
}

function publishProgress(video: Video, nowMs: number): Progress {
  if (video.publishingWanted !== 'published') return superseded;
  if (video.published) return done;
  const { error } = video;
  if (error !== null && error.retry !== 'automatic' && video.media === null)
    return failed(error.code, error.reason);
  const { overall } = videoProgress(video, nowMs);
  return withRefusal(running(overall, STEPS[videoState(video, nowMs)] ?? 'publishing'), video);
}
