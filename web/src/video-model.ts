import { field, listAt, numberAt, textAt } from './json.ts';
import { parseDuration, rowOf, type TimelineRow, withoutRepeats } from './model.ts';

export type StageName = 'upload' | 'encode' | 'index' | 'publish';

/** One of the bars. */
export interface Stage {
  readonly name: StageName;
  readonly title: string;
  readonly state: 'todo' | 'doing' | 'done' | 'failed';
  /** 0 to 100. */
  readonly percent: number;
  readonly detail: string;
  readonly tookMs: number | undefined;
}

/** Why it does not go on, for a reader. */
export interface VideoFailure {
  readonly sentence: string;
  readonly advice: string;
  /** When it is tried again by itself, ISO 8601. */
  readonly retryAt: string | undefined;
}

export type VideoAction = 'encode' | 'publish' | 'unpublish' | 'remove';

/** All that the page shows of a video, made from answers of the API and nothing else. */
export interface VideoModel {
  readonly name: string;
  readonly state: string;
  readonly badge: string;
  readonly note: string;
  readonly isPlayable: boolean;
  readonly href: string;
  readonly protection: string;
  readonly hls: string;
  readonly dash: string;
  readonly stages: readonly Stage[];
  readonly failure: VideoFailure | undefined;
  /** The files that are waited for; empty: nothing is uploaded. */
  readonly awaited: readonly string[];
  readonly seconds: number | undefined;
  readonly renditions: string;
  readonly poster: string | undefined;
  readonly spritesVtt: string | undefined;
  readonly files: readonly { readonly title: string; readonly url: string }[];
  readonly timeline: readonly TimelineRow[];
  readonly actions: Readonly<Record<VideoAction, boolean>>;
}

export const BADGES: Readonly<Record<string, string>> = {
  awaitingUpload: 'waits for its file',
  awaitingRecording: 'waits for its recording',
  queued: 'queued',
  encoding: 'encoding',
  indexing: 'indexing',
  retrying: 'will be tried again',
  failed: 'failed',
  ready: 'ready',
  publishing: 'publishing',
  published: 'on demand',
  unpublished: 'not published',
  deleting: 'being deleted',
};

const NOTES: Readonly<Record<string, string>> = {
  published: 'On demand. Players can open it.',
  unpublished: 'Valid, but not published.',
  ready: 'Ready, and not published yet.',
  failed: 'It stays the same when the video is encoded anew.',
  deleting: 'It is being deleted with all that was made for it.',
};
const BUSY = new Set(['queued', 'encoding', 'indexing', 'retrying']);

/** What the answers of `/videos/{video}` and its timeline mean for a reader of the page. */
export function videoModelOf(video: unknown, timeline: unknown): VideoModel {
  const state = textAt(video, 'state') ?? '';
  const status = textAt(video, 'playback', 'status');
  const awaited = listAt(video, 'source', 'upload', 'files').filter((name) => typeof name === 'string');
  return {
    name: textAt(video, 'name') ?? '',
    state,
    badge: BADGES[state] ?? 'connecting',
    note: NOTES[state] ?? 'Already valid, and it stays the same. It plays once it is published.',
    isPlayable: status === 'onDemand',
    href: textAt(video, 'href') ?? '',
    protection: textAt(video, 'protection') ?? '',
    hls: textAt(video, 'playback', 'hls') ?? '',
    dash: textAt(video, 'playback', 'dash') ?? '',
    stages: stagesOf(video, state),
    failure: failureOf(video),
    awaited: state === 'awaitingUpload' ? awaited : [],
    seconds: parseDuration(textAt(video, 'duration')),
    renditions: renditionsOf(video),
    poster: textAt(video, 'poster'),
    spritesVtt: textAt(video, 'sprites', 'vtt'),
    files: filesOf(video),
    timeline: withoutRepeats(listAt(timeline, 'items').map(rowOf)),
    actions: {
      encode: state === 'failed' || state === 'ready' || state === 'published' || state === 'unpublished',
      publish: state === 'ready' || state === 'unpublished',
      unpublish: state === 'published',
      remove: state !== 'deleting' && state !== '',
    },
  };
}

interface Condition {
  readonly isDone: boolean;
  readonly sinceMs: number;
  readonly reason: string;
}

function stagesOf(video: unknown, state: string): readonly Stage[] {
  const conditions = new Map(
    listAt(video, 'conditions').map((item): [string, Condition] => [
      textAt(item, 'type') ?? '',
      {
        isDone: field(item, 'status') === true,
        sinceMs: Date.parse(textAt(item, 'since') ?? ''),
        reason: textAt(item, 'reason') ?? '',
      },
    ]),
  );
  const isUploaded = field(video, 'source', 'upload') !== undefined;
  const isIndexed = numberAt(video, 'progress', 'index') !== undefined;
  const createdMs = Date.parse(textAt(video, 'createdAt') ?? '');
  const facts: Facts = { video, state, conditions, createdMs };
  return [
    ...(isUploaded ? [uploadStage(facts)] : []),
    workStage(facts, 'encode', 'Encoding', 'Encoded'),
    ...(isIndexed ? [workStage(facts, 'index', 'Indexing', 'Indexed')] : []),
    publishStage(facts),
  ];
}

interface Facts {
  readonly video: unknown;
  readonly state: string;
  readonly conditions: ReadonlyMap<string, Condition>;
  readonly createdMs: number;
}

function uploadStage({ video, state, conditions, createdMs }: Facts): Stage {
  const done = conditions.get('Uploaded');
  const isDone = done?.isDone === true;
  const bytes = listAt(video, 'uploads').reduce<number>(
    (sum, file) => sum + (numberAt(file, 'sizeBytes') ?? 0),
    0,
  );
  return {
    name: 'upload',
    title: 'Upload',
    state: stateOf(isDone, false, state === 'awaitingUpload'),
    percent: isDone ? 100 : (numberAt(video, 'progress', 'upload') ?? 0),
    detail: bytes > 0 ? bytesText(bytes) : 'straight into storage',
    tookMs: isDone ? between(createdMs, done.sinceMs) : undefined,
  };
}

function workStage(
  { video, state, conditions, createdMs }: Facts,
  name: 'encode' | 'index',
  title: string,
  condition: 'Encoded' | 'Indexed',
): Stage {
  const done = conditions.get(condition);
  const percent = numberAt(video, 'progress', name) ?? 0;
  // The whole job ends a little later, and its conditions with it.
  const isDone = done?.isDone === true || (percent === 100 && state !== 'failed');
  const isFailed = !isDone && (state === 'failed' || /fail/i.test(done?.reason ?? ''));
  const begins = conditions.get('Uploaded');
  const isDoing = BUSY.has(state) && (name === 'encode' || percent > 0 || state === 'indexing');
  return {
    name,
    title,
    state: stateOf(isDone, isFailed, isDoing),
    percent: isDone ? 100 : percent,
    detail: workDetail(name, state, isDone, renditionsOf(video)),
    tookMs:
      done?.isDone === true
        ? between(begins?.isDone === true ? begins.sinceMs : createdMs, done.sinceMs)
        : undefined,
  };
}

function workDetail(name: 'encode' | 'index', state: string, isDone: boolean, renditions: string): string {
  if (name === 'index') return 'speech to text';
  if (isDone && renditions !== '') return renditions;
  if (state === 'queued') return 'waits for a free unit';
  return 'into what players can choose from';
}

const POLICIES = ['KeyPolicyReady', 'DeliveryPolicyReady', 'Published'] as const;

function publishStage({ state, conditions }: Facts): Stage {
  const published = conditions.get('Published');
  const isDone = published?.isDone === true;
  const count = POLICIES.filter((type) => conditions.get(type)?.isDone === true).length;
  const encoded = conditions.get('Encoded');
  return {
    name: 'publish',
    title: 'Publishing',
    state: stateOf(isDone, false, state === 'publishing'),
    percent: isDone ? 100 : Math.round((count / POLICIES.length) * 100),
    detail: isDone ? 'the playback address answers' : policyDetail(conditions),
    tookMs: isDone && encoded?.isDone === true ? between(encoded.sinceMs, published.sinceMs) : undefined,
  };
}

function policyDetail(conditions: Facts['conditions']): string {
  const isReady = (type: string) => conditions.get(type)?.isDone === true;
  if (isReady('KeyPolicyReady') && isReady('DeliveryPolicyReady')) return 'the policies are ready';
  return isReady('KeyPolicyReady') ? 'the key policy is ready' : 'policies, then the address';
}

function stateOf(isDone: boolean, isFailed: boolean, isDoing: boolean): Stage['state'] {
  if (isDone) return 'done';
  if (isFailed) return 'failed';
  return isDoing ? 'doing' : 'todo';
}

const between = (fromMs: number, toMs: number): number | undefined =>
  toMs >= fromMs ? toMs - fromMs : undefined;

function failureOf(video: unknown): VideoFailure | undefined {
  const reason = textAt(video, 'error', 'reason');
  if (reason === undefined) return undefined;
  return {
    sentence: reason,
    advice: textAt(video, 'error', 'advice') ?? '',
    retryAt: textAt(video, 'error', 'retryAt'),
  };
}

function renditionsOf(video: unknown): string {
  const renditions = listAt(video, 'renditions');
  const heights = renditions.flatMap((one) => numberAt(one, 'height') ?? []).toSorted((a, b) => b - a);
  const pictures = [...new Set(heights)].map((height) => `${height}p`);
  const sounds = renditions.filter((one) => textAt(one, 'type') === 'audio').length;
  return [...pictures, ...(sounds === 0 ? [] : [sounds === 1 ? 'sound' : `${sounds} sounds`])].join(', ');
}

function filesOf(video: unknown): VideoModel['files'] {
  const transcript = textAt(video, 'transcript');
  const insights = textAt(video, 'insights');
  return [
    ...(transcript === undefined ? [] : [{ title: 'Transcript (WebVTT)', url: transcript }]),
    ...(insights === undefined ? [] : [{ title: 'Insights (JSON)', url: insights }]),
  ];
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

/** `512 bytes`, `3.4 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
