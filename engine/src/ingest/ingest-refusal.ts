import type { IngestResultCode, TrackKey } from './publish-session.ts';

/** The encoder sends what this service cannot take; `message` is for the person at the encoder. */
export class IngestRefusal extends Error {
  readonly resultCode: IngestResultCode;
  /** The track that is at fault; undefined when it is the connection. */
  readonly trackKey: TrackKey | undefined;

  constructor(
    resultCode: IngestResultCode,
    message: string,
    { trackKey, ...options }: ErrorOptions & { readonly trackKey?: TrackKey } = {},
  ) {
    super(message, options);
    this.name = 'IngestRefusal';
    this.resultCode = resultCode;
    this.trackKey = trackKey;
  }
}

/** `name` is the codec's, safe to show. */
export function unsupportedCodec(trackKey: TrackKey, name: string): IngestRefusal {
  const isVideo = trackKey.startsWith('video');
  return new IngestRefusal(
    'MPE_INGEST_CODEC_NOT_SUPPORTED',
    `The ${isVideo ? 'video' : 'audio'} codec ${name} is not supported. Set the encoder to ${isVideo ? 'H.264' : 'AAC'}.`,
    { trackKey },
  );
}
