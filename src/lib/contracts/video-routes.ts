import { OperationAnswer, TimelineAnswer } from './answers.ts';
import { ImportAnswer, ImportBody, ImportSummary } from './import-body.ts';
import type { Route } from './route.ts';
import { UploadUrlAnswer, VideoAnswer } from './video-answers.ts';
import { UploadUrlBody, VideoBody, VideoPatch } from './video-body.ts';

const video = '/videos/{video}';
const imports = '/imports/{import}';
const operation = { status: 202, kind: 'operation', answer: OperationAnswer } as const;
const post = { method: 'POST', ...operation } as const;
const resource = { answer: VideoAnswer, status: 200, kind: 'resource' } as const;

/** The calls about videos and imports of many. */
export const VIDEO_ROUTES = {
  putVideo: {
    method: 'PUT',
    path: video,
    summary: 'Say what a video should be; its playback addresses are in the answer',
    body: VideoBody,
    ...resource,
  },
  getVideo: { method: 'GET', path: video, summary: 'A video: what is wanted and what is so', ...resource },
  patchVideo: {
    method: 'PATCH',
    path: video,
    summary: 'Change some of it (merge patch)',
    body: VideoPatch,
    ...resource,
  },
  deleteVideo: {
    method: 'DELETE',
    path: video,
    summary: 'Delete a video with all that was made for it: addresses, keys, jobs, files',
    ...operation,
  },
  listVideos: {
    method: 'GET',
    path: '/videos',
    summary: 'Videos by name',
    answer: VideoAnswer,
    status: 200,
    kind: 'list',
    query: ['limit', 'after', 'state', 'label'],
  },
  createUploadUrl: {
    method: 'POST',
    path: `${video}/upload-url`,
    summary: 'Where to upload to: straight into storage, in blocks, resumable (a secret)',
    body: UploadUrlBody,
    answer: UploadUrlAnswer,
    status: 200,
    kind: 'plain',
  },
  encodeVideo: {
    ...post,
    path: `${video}/encode`,
    summary: 'Encode what has been uploaded; what failed or has finished is begun anew',
  },
  publishVideo: { ...post, path: `${video}/publish`, summary: 'Let viewers in as soon as it is ready' },
  unpublishVideo: {
    ...post,
    path: `${video}/unpublish`,
    summary: 'Close it to viewers; the addresses stay reserved',
  },
  listVideoTimeline: {
    method: 'GET',
    path: `${video}/timeline`,
    summary: 'What happened, newest first',
    answer: TimelineAnswer,
    status: 200,
    kind: 'list',
    query: ['limit', 'after'],
  },
  getVideoTranscript: {
    method: 'GET',
    path: `${video}/transcript`,
    summary: 'What is said in it (WebVTT)',
    status: 200,
    kind: 'plain',
  },
  getVideoInsights: {
    method: 'GET',
    path: `${video}/insights`,
    summary: 'What the analysis found, with times and confidence (JSON)',
    status: 200,
    kind: 'plain',
  },
  getVideoNativeHls: {
    method: 'GET',
    path: `/playback${video}/hls`,
    summary: 'HLS playlists with the token in their key addresses, for players that cannot send a header',
    status: 200,
    kind: 'plain',
    query: ['token', 'playlist'],
    anonymous: true,
  },
  createImport: {
    method: 'POST',
    path: '/imports',
    summary: 'Make many videos; a bounded number of them is worked on at once',
    body: ImportBody,
    answer: ImportAnswer,
    status: 202,
    kind: 'plain',
  },
  getImport: {
    method: 'GET',
    path: imports,
    summary: 'How each of its videos is',
    answer: ImportAnswer,
    status: 200,
    kind: 'plain',
  },
  listImports: {
    method: 'GET',
    path: '/imports',
    summary: 'Imports, newest first',
    answer: ImportSummary,
    status: 200,
    kind: 'list',
    query: ['limit', 'after', 'state'],
  },
  cancelImport: {
    method: 'POST',
    path: `${imports}/cancel`,
    summary: 'Begin no more of its videos; what has begun goes on',
    answer: ImportAnswer,
    status: 200,
    kind: 'plain',
  },
  deleteImport: {
    method: 'DELETE',
    path: imports,
    summary: 'Cancel it and forget it; the videos that it made stay',
    status: 204,
    kind: 'plain',
  },
} as const satisfies Record<string, Route>;
