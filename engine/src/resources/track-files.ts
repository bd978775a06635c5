/** What a file says of the track that it is the source of. */
export interface TrackFileFacts {
  /** RFC 5646, of text. */
  readonly languageCode?: string | undefined;
  /** Of audio. */
  readonly mpeg4TrackId?: number | undefined;
  readonly bitRateBps?: number | undefined;
}

/** `refused` is told to the client: which file could not be read as what. */
export type TrackFileReading = { readonly facts: TrackFileFacts } | { readonly refused: string };

/** A track that an asset's server manifest lists. */
export interface ManifestTrack {
  readonly name: string;
  readonly type: 'video' | 'audio' | 'text';
  readonly fileName: string | undefined;
  readonly languageCode: string | undefined;
  readonly bitRateBps: number | undefined;
  readonly mpeg4TrackId: number | undefined;
}

export interface ManifestTracks {
  /** It is still recorded. */
  readonly isLive: boolean;
  readonly tracks: readonly ManifestTrack[];
}
