/** What callers are told, and no more: why a token was refused stands in the log. */
const PROBLEMS = {
  MalformedRequest: { status: 400, message: 'The request is malformed.' },
  LicenseTypeNotSupported: { status: 400, message: 'Only temporary licenses are issued.' },
  Unauthorized: { status: 401, message: 'A valid token is required.' },
  KeyDeliveryDenied: { status: 403, message: 'The key is not delivered.' },
  ClientAddressDenied: { status: 403, message: 'Requests from this address are not allowed.' },
  ContentKeyNotFound: { status: 404, message: 'There is no such content key.' },
  ResourceNotFound: { status: 404, message: 'There is nothing at this address.' },
  MethodNotAllowed: { status: 405, message: 'The method is not allowed here.' },
  RequestTooLarge: { status: 413, message: 'The request is too large.' },
  InternalError: { status: 500, message: 'The request failed.' },
  LicenseServerNotConfigured: {
    status: 501,
    message: 'No license server is configured for this key system.',
  },
  LicenseServerFailed: { status: 502, message: 'The license server did not answer as expected.' },
  TemporarilyUnavailable: { status: 503, message: 'Try again in a moment.' },
  LicenseServerTimeout: { status: 504, message: 'The license server did not answer in time.' },
} as const;

export type KeyDeliveryCode = keyof typeof PROBLEMS;

/** `reason` is for the log: it never holds a token or a key. */
export class KeyDeliveryError extends Error {
  readonly code: KeyDeliveryCode;
  readonly status: number;
  readonly reason: string;
  constructor(code: KeyDeliveryCode, reason: string, options?: ErrorOptions) {
    super(PROBLEMS[code].message, options);
    this.name = 'KeyDeliveryError';
    this.code = code;
    this.status = PROBLEMS[code].status;
    this.reason = reason;
  }
}
