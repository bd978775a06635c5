import type { Failure } from './channel.ts';
import type { OperationKind } from './operation.ts';
import type { Condition, ContentKey } from './program.ts';

export type VideoSource =
  | { readonly upload: { readonly files: readonly string[] | null } }
  /** Without its query string, which is a secret. */
  | { readonly url: string }
  | {
      readonly program: { readonly channel: string; readonly program: string };
      readonly from: string | null;
      readonly to: string | null;
    };

export interface Indexing {
  readonly language: string;
  readonly mode: 'standard' | 'basic';
  readonly captions: boolean;
  readonly video: boolean;
}

export type VideoEncoding = string | { readonly preset: Readonly<Record<string, unknown>> };

export interface VideoSettings {
  readonly description: string;
  readonly source: VideoSource;
  readonly encoding: VideoEncoding;
  readonly priority: 'low' | 'normal' | 'high';
  /** The name of a protection profile. */
  readonly protection: string;
  readonly publish: { readonly when: string; readonly until: string | null };
  readonly indexing: Indexing | null;
  readonly poster: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

export type VideoConditionType =
  | 'Uploaded'
  | 'Encoded'
  | 'Indexed'
  | 'KeyPolicyReady'
  | 'DeliveryPolicyReady'
  | 'Published';

/** What a job makes: the streams, pictures, an index. */
export type OutputLabel = 'encode' | 'images' | 'index';

export type JobState = 'queued' | 'processing' | 'finished' | 'failed' | 'canceling' | 'canceled';

export interface JobProblem {
  readonly code: string;
  readonly category: string;
  readonly message: string;
  readonly mayRetry: boolean;
}

export interface JobOutput {
  readonly label: string;
  readonly state: JobState;
  readonly progress: number;
  readonly problem: JobProblem | null;
}

export interface JobReading {
  readonly state: JobState;
  readonly outputs: readonly JobOutput[];
}

/** One encoding: a job of its own with assets of its own, so that what came before is untouched until it is over. */
export interface Attempt {
  readonly number: number;
  /** Of the media service; its name follows from what it makes. */
  readonly transform: string;
  /** In the order of the transform's outputs. */
  readonly outputs: readonly OutputLabel[];
  /** Of the upload; empty: all there is. */
  readonly files: readonly string[];
  /** Of the source, as the settings were when it began. */
  readonly encoding: VideoEncoding;
  readonly indexing: Indexing | null;
  readonly startedAtMs: number;
  /** How many before it failed of what may pass. */
  readonly retries: number;
  readonly state: 'running' | 'finished' | 'failed';
  /** Percent, as last read. */
  readonly progress: Readonly<Partial<Record<OutputLabel, number>>>;
  readonly outputStates: Readonly<Partial<Record<OutputLabel, JobState>>>;
  /** When the next one begins by itself. */
  readonly retryAtMs: number | null;
}

export interface Rendition {
  readonly type: 'video' | 'audio';
  readonly file: string;
  readonly codec: string | null;
  readonly bitrateBps: number | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly language: string | null;
}

export interface Caption {
  /** Of the track. */
  readonly name: string;
  readonly language: string;
  readonly file: string;
  readonly state: 'wanted' | 'added' | 'refused';
}

/** What an encoding has left for viewers. */
export interface VideoMedia {
  /** 0: a recording as it was kept. */
  readonly attempt: number;
  readonly transform: string;
  readonly asset: string;
  readonly durationMs: number | null;
  readonly renditions: readonly Rendition[];
  readonly files: readonly string[];
  readonly poster: string | null;
  readonly sprites: { readonly image: string; readonly vtt: string } | null;
  readonly captions: readonly Caption[];
  readonly transcript: string | null;
  readonly insights: string | null;
}

export interface VideoError {
  readonly category: 'service' | 'download' | 'upload' | 'configuration' | 'content' | 'account';
  readonly code: string;
  readonly reason: string;
  readonly retry: 'automatic' | 'mayHelp' | 'willNotHelp';
  readonly retryAtMs: number | null;
  readonly atMs: number;
}

export interface UploadedFile {
  readonly file: string;
  readonly sizeBytes: number;
}

export interface OpenVideoOperation {
  readonly id: string;
  readonly kind: OperationKind;
}

/** What the timeline has to be told; stored with what it is about, so that it is told whatever happens. */
export interface VideoNote {
  readonly key: string;
  readonly atMs: number;
  readonly type: string;
  readonly effect: string;
  readonly milliseconds: number | null;
}

export interface Video {
  readonly name: string;
  readonly id: string;
  readonly createdAtMs: number;
  /** Counts changes of what is wanted; the API's ETag. */
  readonly generation: number;
  /** When what is wanted last changed. */
  readonly changedAtMs: number;
  readonly settings: VideoSettings;
  /** Tells addresses with a query string apart; the address is in the secret store. Null: it has none. */
  readonly sourceMark: string | null;
  /** Where the recording lies that it is made of. */
  readonly sourceAsset: string | null;
  /** It is what a program has left: the recording goes with it. */
  readonly ownsSource: boolean;
  /** Encoding is asked for, and begins when what it needs is there. */
  readonly encodeWanted: boolean;
  readonly publishingWanted: 'auto' | 'published' | 'unpublished';
  readonly deleted: boolean;
  readonly manifestName: string;
  readonly locatorId: string;
  readonly imagesLocatorId: string;
  /** Made once, kept until the video is deleted; their values are in the secret store. */
  readonly contentKeys: readonly ContentKey[];
  /** When an address to upload to was given last, and how long it is good. */
  readonly uploadOpen: { readonly sinceMs: number; readonly untilMs: number } | null;
  readonly uploads: readonly UploadedFile[];
  readonly attempts: number;
  /** The last one. */
  readonly attempt: Attempt | null;
  readonly media: VideoMedia | null;
  /** Earlier ones that are to be removed with all they have made. */
  readonly stale: readonly Pick<Attempt, 'number' | 'transform'>[];
  /** What was last read. */
  readonly published: boolean;
  readonly imagesPublished: boolean;
  readonly conditions: readonly Condition<VideoConditionType>[];
  readonly openOperations: readonly OpenVideoOperation[];
  readonly lastOperation: { readonly kind: OperationKind; readonly id: string } | null;
  /** Why the last encoding failed. */
  readonly error: VideoError | null;
  /** The media service's refusal of a step; cleared by the first success. */
  readonly failure: Failure | null;
  readonly untold: readonly VideoNote[];
}

export type VideoState =
  | 'awaitingUpload'
  | 'awaitingRecording'
  | 'queued'
  | 'encoding'
  | 'indexing'
  | 'retrying'
  | 'failed'
  | 'ready'
  | 'publishing'
  | 'published'
  | 'unpublished'
  | 'deleting';

/** Names in the media service; parts of the id keep apart videos that had one name after each other. */
const baseOf = ({ name, id }: Pick<Video, 'name' | 'id'>): string => `v-${name}-${id.slice(0, 8)}`;
export const inputAssetOf = (video: Pick<Video, 'name' | 'id'>): string => `${baseOf(video)}-input`;
export const outputAssetOf = (
  video: Pick<Video, 'name' | 'id'>,
  attempt: number,
  label: OutputLabel,
): string => `${baseOf(video)}-${attempt}${label === 'encode' ? '' : `-${label}`}`;
export const jobNameOf = (video: Pick<Video, 'name' | 'id'>, attempt: number): string =>
  `${baseOf(video)}-${attempt}`;
export const videoOwnerOf = ({ id }: Pick<Video, 'id'>): string => `headend-video:${id}`;

/** Event Grid's filter of uploads begins so, in `infra/event-subscriptions.json`. The engine keeps `headend-` for itself. */
const UPLOAD_CONTAINER = 'upload-';
export const uploadContainerOf = ({ id }: Pick<Video, 'id'>): string =>
  `${UPLOAD_CONTAINER}${id.replaceAll('-', '').toLowerCase()}`;

/** The video that a job belongs to, as far as its name says. */
export const videoOfJob = (job: string): string | undefined =>
  /^v-(.+)-[0-9a-f]{8}-\d{1,6}$/.exec(job)?.[1]?.toLowerCase();

export const isUpload = (
  source: VideoSource,
): source is { readonly upload: { readonly files: readonly string[] | null } } => 'upload' in source;
export const isRecording = (source: VideoSource): source is Extract<VideoSource, { from: string | null }> =>
  'program' in source;

/** Several files that belong together, of which nobody has said which: only a caller knows when all are there. */
export const waitsForVerb = ({ source, encoding }: Pick<VideoSettings, 'source' | 'encoding'>): boolean =>
  isUpload(source) && source.upload.files === null && encoding === 'none';

export const hasBegun = ({ attempt }: Video): boolean => attempt !== null && attempt.state === 'running';

/** The state that a user reads, from what is wanted and what was last read. */
export function videoState(video: Video, nowMs: number): VideoState {
  if (video.deleted) return 'deleting';
  const encoding = encodingState(video);
  if (encoding !== undefined) return encoding;
  if (video.published) return 'published';
  if (wantsVideoPublished(video, nowMs)) return 'publishing';
  return isClosed(video, nowMs) ? 'unpublished' : 'ready';
}

/** Undefined: there is something for viewers, and nothing that is under way. */
function encodingState(video: Video): VideoState | undefined {
  const { attempt, media, encodeWanted } = video;
  if (attempt?.state === 'running') return runningState(attempt);
  if (attempt?.state === 'finished' && media?.attempt !== attempt.number)
    return video.error === null ? finishingState(attempt) : 'failed';
  if (attempt?.retryAtMs != null) return 'retrying';
  if (encodeWanted && (attempt === null || media === null)) return waitingState(video);
  if (attempt?.state === 'failed' && media === null) return 'failed';
  return media === null ? waitingState(video) : undefined;
}

/** Whether all has arrived that is uploaded; true when nothing is. */
export function isUploaded({ settings: { source }, uploads }: Video): boolean {
  if (!isUpload(source)) return true;
  const { files } = source.upload;
  if (files === null) return uploads.length > 0;
  return files.every((name) => uploads.some(({ file }) => file === name));
}

function waitingState(video: Video): VideoState {
  const { settings, encodeWanted } = video;
  const { source } = settings;
  if (isUpload(source)) return isUploaded(video) && encodeWanted ? 'queued' : 'awaitingUpload';
  return isRecording(source) ? 'awaitingRecording' : 'queued';
}

/** Its job has finished, and what it made is being looked at. */
const finishingState = ({ indexing }: Attempt): VideoState => (indexing === null ? 'encoding' : 'indexing');

function runningState({ outputStates, outputs }: Attempt): VideoState {
  if (outputs.includes('index') && outputStates.encode === 'finished') return 'indexing';
  const hasBegunWork = Object.values(outputStates).some((state) => state !== 'queued');
  return hasBegunWork ? 'encoding' : 'queued';
}

/** Viewers are kept out on purpose. */
export function isClosed({ publishingWanted, settings, deleted }: Video, nowMs: number): boolean {
  if (deleted || publishingWanted === 'unpublished') return true;
  const { until } = settings.publish;
  return until !== null && Date.parse(until) <= nowMs;
}

/** Whether viewers should be able to play it, given that it can be played. */
export function wantsVideoPublished(video: Video, nowMs: number): boolean {
  if (isClosed(video, nowMs)) return false;
  if (video.publishingWanted === 'published') return true;
  const { when } = video.settings.publish;
  if (when === 'ready') return true;
  return when !== 'manual' && Date.parse(when) <= nowMs;
}

/** Whether it will be published without anybody asking for it. */
export function awaitsVideoPublishing(video: Video, nowMs: number): boolean {
  const { when } = video.settings.publish;
  const atMs = when === 'ready' || when === 'manual' ? nowMs : Math.max(nowMs, Date.parse(when));
  return wantsVideoPublished(video, atMs);
}

/** The moments at which a clock, and nothing else, changes what is wanted. */
export function videoMoments({ publishingWanted, settings: { publish } }: Video): readonly number[] {
  return [
    ...(publishingWanted === 'auto' ? [Date.parse(publish.when)] : []),
    ...(publish.until === null ? [] : [Date.parse(publish.until)]),
  ].filter((moment) => !Number.isNaN(moment));
}
