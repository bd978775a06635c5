import type { IngestResultCode } from './publish-session.ts';

/** The encoder sends what this service cannot take; `message` is for the person at the encoder. */
export class IngestRefusal extends Error {
  readonly resultCode: IngestResultCode;

  constructor(resultCode: IngestResultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'IngestRefusal';
    this.resultCode = resultCode;
  }
}
