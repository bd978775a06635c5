import { deliveryReadiness, keyReadiness, type Readiness } from './observe-program.ts';
import { setCondition } from './program.ts';
import {
  type Attempt,
  hasBegun,
  isRecording,
  isUpload,
  isUploaded,
  type JobOutput,
  type JobReading,
  type OutputLabel,
  type UploadedFile,
  type Video,
  type VideoConditionType,
  type VideoError,
  type VideoNote,
  waitsForVerb,
} from './video.ts';
import type { VideoSnapshot } from './video-snapshot.ts';
import { transformOutputs } from './video-transform.ts';

/** How often what may pass is tried by itself after the first time, and how long after each failure. */
const RETRY_DELAYS_MS = [10_000, 60_000, 300_000] as const;
const NOTES_MAX = 50;
const PERCENT = 100;
const EFFECT_CHARS_MAX = 500;

/** The video with what was read, and with the encoding that begins by it. */
export function observeVideo(snapshot: VideoSnapshot): Video {
  const { video } = snapshot;
  const seen: Video = {
    ...video,
    uploads: snapshot.uploads ?? video.uploads,
    published: snapshot.locator !== 'absent',
    imagesPublished: snapshot.imagesLocator === 'ours',
  };
  if (video.deleted) return withoutAttempts(seen);
  const followed = withJob(seen, snapshot);
  const begun = mayBegin(followed, snapshot) ? withAttempt(followed, snapshot) : followed;
  return withConditions(begun, snapshot);
}

/** All that was ever made is to be removed. */
function withoutAttempts(video: Video): Video {
  const { attempt, media } = video;
  if (attempt === null && media === null) return video;
  const made = [
    ...video.stale,
    ...(attempt === null ? [] : [{ number: attempt.number, transform: attempt.transform }]),
    ...(media === null || media.asset === video.sourceAsset
      ? []
      : [{ number: media.attempt, transform: media.transform }]),
  ];
  const byNumber = new Map(made.map(({ number, transform }) => [number, { number, transform }]));
  return { ...video, attempt: null, media: null, stale: [...byNumber.values()] };
}

const note = (video: Video, added: VideoNote): readonly VideoNote[] =>
  [...video.untold, added].slice(-NOTES_MAX);

function withJob(video: Video, { job, nowMs }: VideoSnapshot): Video {
  const { attempt } = video;
  if (attempt === null || attempt.state !== 'running' || job === undefined) return video;
  const running: Attempt = {
    ...attempt,
    progress: ofOutputs(attempt, job, ({ state, progress }) => (state === 'finished' ? PERCENT : progress)),
    outputStates: ofOutputs(attempt, job, ({ state }) => state),
  };
  if (job.state === 'finished')
    return withFailedParts({ ...video, attempt: { ...running, state: 'finished' }, error: null }, job, nowMs);
  if (job.state !== 'failed' && job.state !== 'canceled') return { ...video, attempt: running };
  return withFailedAttempt({ ...video, attempt: running }, problemOf(job), nowMs);
}

const PARTS: Readonly<Record<string, string>> = { images: 'Its pictures', index: 'Its index' };

/** What holds up nothing is told all the same. */
function withFailedParts(video: Video, job: JobReading, nowMs: number): Video {
  let next = video;
  for (const { label, problem } of job.outputs) {
    const part = PARTS[label];
    if (problem === null || part === undefined) continue;
    const effect = `${part} could not be made (${problem.code}): ${problem.message}`.slice(
      0,
      EFFECT_CHARS_MAX,
    );
    const key = `failed-${video.attempts}-${label}`;
    const told = { key, atMs: nowMs, type: 'video.partFailed', effect, milliseconds: null };
    next = { ...next, untold: note(next, told) };
  }
  return next;
}

function ofOutputs<T>(
  { outputs }: Attempt,
  job: JobReading,
  read: (output: JobOutput) => T,
): Readonly<Partial<Record<OutputLabel, T>>> {
  const found = job.outputs.flatMap((output) => {
    const label = outputs.find((one) => one === output.label);
    return label === undefined ? [] : [[label, read(output)] as const];
  });
  return Object.fromEntries(found);
}

export interface AttemptProblem {
  readonly code: string;
  readonly category: VideoError['category'];
  readonly message: string;
  readonly mayRetry: boolean;
}

const CATEGORIES: ReadonlySet<string> = new Set([
  'service',
  'download',
  'upload',
  'configuration',
  'content',
  'account',
]);

const isCategory = (text: string): text is VideoError['category'] => CATEGORIES.has(text);

function problemOf(job: JobReading): AttemptProblem {
  if (job.state === 'canceled')
    return { code: 'Canceled', category: 'service', message: 'Its job was canceled.', mayRetry: false };
  const failed = job.outputs.filter(({ problem }) => problem !== null);
  const problem = (failed.find(({ label }) => label === 'encode') ?? failed[0])?.problem;
  if (problem == null)
    return { code: 'Unknown', category: 'service', message: 'Its job failed.', mayRetry: true };
  const category = problem.category.toLowerCase();
  return { ...problem, category: isCategory(category) ? category : 'service' };
}

/** The attempt has failed: it is tried again by itself, or it waits for somebody. */
export function withFailedAttempt(video: Video, problem: AttemptProblem, nowMs: number): Video {
  const { attempt } = video;
  if (attempt === null) return video;
  const delayMs = problem.mayRetry ? RETRY_DELAYS_MS[attempt.retries] : undefined;
  const retryAtMs = delayMs === undefined ? null : nowMs + delayMs;
  const retry = problem.mayRetry ? 'mayHelp' : 'willNotHelp';
  const { code, category, message } = problem;
  return {
    ...video,
    attempt: { ...attempt, state: 'failed', retryAtMs },
    error: {
      ...{ code, category, reason: message, atMs: nowMs, retryAtMs },
      retry: retryAtMs === null ? retry : 'automatic',
    },
    untold: note(video, {
      key: `failed-${attempt.number}`,
      atMs: nowMs,
      type: 'video.failed',
      effect: `It could not be encoded (${code}): ${message}`.slice(0, EFFECT_CHARS_MAX),
      milliseconds: nowMs - attempt.startedAtMs,
    }),
  };
}

function mayBegin(video: Video, snapshot: VideoSnapshot): boolean {
  if (hasBegun(video)) return false;
  if (video.encodeWanted) return isInputThere(video, snapshot);
  const retryAtMs = video.attempt?.retryAtMs ?? null;
  return retryAtMs !== null && retryAtMs <= snapshot.nowMs;
}

/** Whether all is there that the encoding needs. */
const isInputThere = (video: Video, { isRecordingOver }: VideoSnapshot): boolean =>
  isRecording(video.settings.source) ? isRecordingOver : isUploaded(video);

/** A single source is one file, the newest; renditions, and what was listed, are all of them. */
function filesOf({ settings: { source, encoding }, uploads }: Video): readonly string[] {
  if (!isUpload(source)) return [];
  if (source.upload.files !== null) return source.upload.files;
  const names = uploads.map(({ file }: UploadedFile) => file);
  return encoding === 'none' ? names.toSorted() : names.slice(-1);
}

function withAttempt(video: Video, { transform, nowMs }: VideoSnapshot): Video {
  const { settings, attempt: before } = video;
  const number = video.attempts + 1;
  const isRetry = !video.encodeWanted;
  const attempt: Attempt = {
    number,
    transform,
    outputs: transformOutputs(settings).map(({ label }) => label),
    files: filesOf(video),
    encoding: settings.encoding,
    indexing: settings.indexing,
    startedAtMs: nowMs,
    retries: isRetry ? (before?.retries ?? 0) + 1 : 0,
    state: 'running',
    progress: {},
    outputStates: {},
    retryAtMs: null,
  };
  // What viewers have is kept until there is something new for them.
  const isStale = before !== null && before.number !== video.media?.attempt;
  return {
    ...video,
    attempt,
    attempts: number,
    encodeWanted: false,
    error: null,
    stale: isStale ? [...video.stale, { number: before.number, transform: before.transform }] : video.stale,
    untold: note(video, {
      key: `encode-${number}`,
      atMs: nowMs,
      type: 'video.encoding',
      effect: isRetry ? 'It is tried again.' : 'Its encoding begins.',
      milliseconds: null,
    }),
  };
}

const no = (reason: string): Readiness => ({ ready: false, reason });
const yes = (reason: string): Readiness => ({ ready: true, reason });

function withConditions(video: Video, snapshot: VideoSnapshot): Video {
  const { protection, nowMs } = snapshot;
  const isDue = video.attempt !== null || video.published;
  const keys = protection === undefined ? no('profileMissing') : keyReadiness(protection);
  const delivery = protection === undefined ? no('profileMissing') : deliveryReadiness(protection);
  const readiness: readonly (readonly [VideoConditionType, Readiness])[] = [
    ['Uploaded', uploadedReadiness(video, snapshot)],
    ['Encoded', encodedReadiness(video)],
    ['Indexed', indexedReadiness(video)],
    ['KeyPolicyReady', isDue ? keys : no('nothingToProtect')],
    ['DeliveryPolicyReady', isDue ? delivery : no('nothingToProtect')],
    ['Published', video.published ? yes('locatorExists') : no('notDue')],
  ];
  let { conditions, untold } = video;
  for (const [type, { ready, reason }] of readiness) {
    const wasTrue = conditions.some((one) => one.type === type && one.status);
    conditions = setCondition(conditions, { type, status: ready, reason }, nowMs);
    if (ready && !wasTrue) untold = note({ ...video, untold }, conditionNote(video, type, nowMs));
  }
  return { ...video, conditions, untold };
}

function uploadedReadiness(video: Video, snapshot: VideoSnapshot): Readiness {
  const { source } = video.settings;
  const isThere = isInputThere(video, snapshot);
  if (video.ownsSource) return yes('recordingFinished');
  if (isRecording(source)) return isThere ? yes('recordingFinished') : no('waitsForRecording');
  if (!isUpload(source)) return yes('fetchedByMediaService');
  if (isThere) return yes('uploaded');
  return no(video.uploads.length > 0 ? 'filesMissing' : 'waitsForUpload');
}

function encodedReadiness({ media, attempt, settings }: Video): Readiness {
  if (media !== null) return yes('finished');
  if (attempt === null) return no(waitsForVerb(settings) ? 'waitsForEncode' : 'notBegun');
  if (attempt.state === 'failed') return no('failed');
  // Its index may take much longer.
  return attempt.outputStates.encode === 'finished' ? yes('finished') : no('encoding');
}

function indexedReadiness({ media, attempt, settings }: Video): Readiness {
  const indexing = attempt === null ? settings.indexing : attempt.indexing;
  if (indexing === null) return no('notWanted');
  if (media === null || media.attempt !== attempt?.number) return no('notFinished');
  if (media.transcript === null && media.insights === null) return no('failed');
  if (media.captions.some(({ state }) => state === 'wanted')) return no('addingCaptions');
  const refused = media.captions.some(({ state }) => state === 'refused');
  return yes(refused ? 'withoutCaptions' : 'finished');
}

const TOLD: Readonly<Record<VideoConditionType, { readonly rank: number; readonly effect: string }>> = {
  Uploaded: { rank: 6, effect: 'All that it is made of is there.' },
  Encoded: { rank: 5, effect: 'It is encoded.' },
  Indexed: { rank: 4, effect: 'What is said in it is known.' },
  KeyPolicyReady: { rank: 3, effect: 'Who may have its keys is settled.' },
  DeliveryPolicyReady: { rank: 2, effect: 'How viewers get it is settled.' },
  Published: { rank: 1, effect: 'Viewers can play it.' },
};

function conditionNote(video: Video, type: VideoConditionType, nowMs: number): VideoNote {
  const { rank, effect } = TOLD[type];
  const sinceMs = {
    Uploaded: video.uploadOpen?.sinceMs,
    Encoded: video.attempt?.startedAtMs,
    Indexed: video.attempt?.startedAtMs,
    KeyPolicyReady: undefined,
    DeliveryPolicyReady: undefined,
    Published: video.publishingWanted === 'published' ? video.changedAtMs : video.attempt?.startedAtMs,
  }[type];
  const milliseconds = sinceMs === undefined ? null : Math.max(0, nowMs - sinceMs);
  return { key: `${rank}-${type}`, atMs: nowMs, type, effect, milliseconds };
}
