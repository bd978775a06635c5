/** The one catalogue of the HTTP API's errors; docs/errors.md explains each and a test keeps the two equal. */
export const ERRORS = {
  invalidBody: { status: 400, title: 'The body is not valid', retryable: false },
  invalidParameter: { status: 400, title: 'A parameter is not valid', retryable: false },
  protectionNotAvailable: { status: 400, title: 'This protection is not available', retryable: false },
  playbackTokenInvalid: { status: 401, title: 'The playback token is not good', retryable: false },
  channelNotFound: { status: 404, title: 'There is no such channel', retryable: false },
  programNotFound: { status: 404, title: 'There is no such program', retryable: false },
  videoNotFound: { status: 404, title: 'There is no such video', retryable: false },
  importNotFound: { status: 404, title: 'There is no such import', retryable: false },
  notIndexed: { status: 404, title: 'There is no index of it', retryable: false },
  operationNotFound: { status: 404, title: 'There is no such operation', retryable: false },
  streamingEndpointNotFound: { status: 404, title: 'There is no such streaming endpoint', retryable: false },
  encodingCapacityNotFound: { status: 404, title: 'There is no encoding capacity', retryable: false },
  protectionProfileNotFound: { status: 404, title: 'There is no such protection profile', retryable: false },
  playlistNotFound: { status: 404, title: 'The origin has no such playlist', retryable: true },
  autoscaleNotFound: { status: 404, title: 'Nothing scales this by itself', retryable: false },
  immutableField: { status: 409, title: 'This cannot be changed', retryable: false },
  channelRecording: { status: 409, title: 'The channel is recording', retryable: false },
  channelNotStopped: { status: 409, title: 'The channel is not stopped', retryable: false },
  channelNotRunning: { status: 409, title: 'The channel is not running', retryable: false },
  channelHasPrograms: { status: 409, title: 'The channel has programs', retryable: false },
  channelDeleting: { status: 409, title: 'The channel is being deleted', retryable: true },
  programFinished: { status: 409, title: 'The program has finished', retryable: false },
  programNotFinished: { status: 409, title: 'The program has not finished', retryable: false },
  programDeleting: { status: 409, title: 'The program is being deleted', retryable: true },
  videoDeleting: { status: 409, title: 'The video is being deleted', retryable: true },
  nothingUploaded: { status: 409, title: 'Nothing has been uploaded', retryable: false },
  notAnUpload: { status: 409, title: 'Nothing is uploaded for this video', retryable: false },
  tooManyImports: { status: 409, title: 'As many imports go on as there can be', retryable: true },
  tooManyPrograms: { status: 409, title: 'The channel records as many programs as it can', retryable: false },
  profileBuiltIn: { status: 409, title: 'This protection profile is built in', retryable: false },
  profileInUse: { status: 409, title: 'The protection profile is used', retryable: false },
  profilePublished: { status: 409, title: 'Something with this protection is published', retryable: false },
  profileDeleting: { status: 409, title: 'The protection profile is being deleted', retryable: true },
  tooManyProfiles: {
    status: 409,
    title: 'There are as many protection profiles as there can be',
    retryable: false,
  },
  playbackTokenExternal: { status: 409, title: 'Somebody else issues these tokens', retryable: false },
  contentKeysNotReady: { status: 409, title: 'The keys are not made yet', retryable: true },
  etagMismatch: { status: 412, title: 'The resource has changed', retryable: false },
  bodyTooLarge: { status: 413, title: 'The body is too large', retryable: false },
  lengthRequired: { status: 411, title: 'The body needs a Content-Length', retryable: false },
  busy: { status: 503, title: 'Too many changes at the same time', retryable: true },
  mediaServiceUnavailable: { status: 503, title: 'The media service cannot be reached', retryable: true },
  mediaServiceRefused: { status: 502, title: 'The media service refused', retryable: false },
  originUnavailable: { status: 503, title: 'The origin cannot be read', retryable: true },
  notReady: { status: 503, title: 'The app is not ready', retryable: true },
  internal: { status: 500, title: 'Something went wrong here', retryable: true },
} as const;

export type ErrorCode = keyof typeof ERRORS;

export interface FieldError {
  readonly pointer: string;
  readonly message: string;
}

export interface ProblemDetail {
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  /** What a 409 shows: the resource's state as last read. */
  readonly current?: object;
}

/** An answer of the HTTP API that is not what the caller asked for. */
export class Problem extends Error {
  readonly code: ErrorCode;
  readonly problem: ProblemDetail;

  constructor(code: ErrorCode, problem: ProblemDetail, options?: { cause?: unknown }) {
    super(`${code}: ${problem.detail}`, options);
    this.code = code;
    this.problem = problem;
  }
}
