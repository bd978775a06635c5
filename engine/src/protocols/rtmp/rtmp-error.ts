export type RtmpErrorCode =
  | 'MalformedAmf'
  | 'MalformedChunk'
  | 'MalformedCommand'
  | 'MalformedHandshake'
  | 'MessageTooLarge'
  | 'TooManyChunkStreams'
  | 'AssemblyBudgetExceeded'
  | 'UnexpectedMessage'
  | 'RefusedByServer'
  | 'ConnectionClosed';

/** The peer broke the protocol or one of our limits, or (client side) refused us: the connection cannot go on. */
export class RtmpError extends Error {
  readonly code: RtmpErrorCode;

  constructor(code: RtmpErrorCode, message: string) {
    super(message);
    this.name = 'RtmpError';
    this.code = code;
  }
}
