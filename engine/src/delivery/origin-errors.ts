/**
 * Every error the origin answers with: the original's code, its hexadecimal value where the original had one, and the
 * HTTP status. `retryAfterSeconds` is for answers that will be different soon.
 */
export const ORIGIN_ERRORS = {
  MPE_BAD_URL_SYNTAX: { status: 400, hex: '0x80890201' },
  MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL: { status: 400, hex: '0x8088024C' },
  MPE_HLS_SEGMENT_TOO_LARGE: { status: 400 },
  MPE_OUTPUT_FORMAT_BLOCKED: { status: 403, hex: '0x80890207' },
  MPE_ENC_ENCRYPTION_REQUIRED: { status: 403, hex: '0x8088021E' },
  MPE_RESOURCE_NOT_FOUND: { status: 404, hex: '0x808901F9' },
  MPE_EGRESS_TRACK_NOT_FOUND: { status: 404, hex: '0x80890209' },
  MPE_EGRESS_TIMESTAMP_NOT_FOUND: { status: 404, hex: '0x8089020A' },
  MPE_EGRESS_FILTER_NOT_FOUND: { status: 404, hex: '0x8089020C' },
  // The original answers an expired or not yet valid locator with 404, not with 401 or 403.
  MPE_UNAUTHORIZED: { status: 404, hex: '0x80890244' },
  MPE_FILTER_FORCE_END_LEFT_EDGE_CROSSED_DVR_WINDOW: { status: 410, hex: '0x80890263' },
  MPE_FRAGMENT_NOT_READY: { status: 412, hex: '0x80890200' },
  MPE_OUTPUT_FORMAT_NOT_SUPPORTED: { status: 415, hex: '0x8089020D' },
  MPE_FILTER_RANGE_ATTRIBUTE_INVALID: { status: 415, hex: '0x80890239' },
  MPE_FILTER_REMOVED_ALL_STREAMS: { status: 415, hex: '0x8089023E' },
  MPE_FILTER_LIVE_BACKOFF_OVER_DVRWINDOW: { status: 415, hex: '0x8089023F' },
  MPE_FILTER_COMPOSITION_FILTER_COUNT_OVER_LIMIT: { status: 415, hex: '0x80890246' },
  MPE_FILTER_COMPOSITION_MULTIPLE_FIRST_QUALITY_OPERATOR_NOT_ALLOWED: { status: 415, hex: '0x80890248' },
  MPE_FILTER_LIVE_BACKOFF_OVER_PRESENTATION_WINDOW: { status: 415, hex: '0x80890262' },
  MPE_STORAGE_INVALID_RANGE: { status: 416, hex: '0x808900F1' },
  MPE_STORAGE_SERVER_BUSY: { status: 503, hex: '0x808900E8', retryAfterSeconds: 1 },
  // Ours: what the original answered to an address that may not watch a preview is not known.
  CLIENT_ADDRESS_DENIED: { status: 403 },
  // Ours: the endpoint has keys of signature header authentication.
  REQUEST_SIGNATURE_DENIED: { status: 403 },
  // Ours: who is not the content delivery network in front of this origin.
  ORIGIN_ACCESS_DENIED: { status: 403 },
  // Ours: the original's endpoint did not accept connections in these cases.
  METHOD_NOT_ALLOWED: { status: 405 },
  INTERNAL_ERROR: { status: 500 },
  // Ours: the keys of what is to be encrypted cannot be opened here.
  CONTENT_KEYS_UNAVAILABLE: { status: 503, retryAfterSeconds: 5 },
  STREAMING_ENDPOINT_NOT_RUNNING: { status: 503, retryAfterSeconds: 5 },
} as const;

export type OriginErrorCode = keyof typeof ORIGIN_ERRORS;

/** Nobody is there to answer: nothing is built and nothing is sent. */
export class ClientGone extends Error {
  constructor() {
    super('the client is gone');
    this.name = 'ClientGone';
  }
}

/** What stops a request; becomes the header `x-ms-mpe-error` and the JSON body. */
export class OriginError extends Error {
  readonly code: OriginErrorCode;

  constructor(code: OriginErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OriginError';
    this.code = code;
  }
}
