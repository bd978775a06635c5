import type { ContainerPlace } from '../resources/container-place.ts';
import type { ManifestTracks, TrackFileReading } from '../resources/track-files.ts';

/** The files that tracks of assets are made of. */
export interface TrackFiles {
  /** Undefined when the asset has no server manifest (`.ism`). */
  manifestTracks(place: ContainerPlace): Promise<ManifestTracks | undefined>;
  has(place: ContainerPlace, fileName: string): Promise<boolean>;
  /** Undefined when there is no such file. */
  read(
    place: ContainerPlace,
    file: {
      readonly name: string;
      readonly format: 'vtt' | 'ttml' | 'mp4';
      readonly mpeg4TrackId?: number | undefined;
    },
  ): Promise<TrackFileReading | undefined>;
}

/** Blob containers of assets. A place may be the record of whatever has one. */
export interface ControlContainers {
  /** The account's primary storage account. */
  readonly accountName: string;
  /** All storage accounts of the account. */
  readonly accountNames: readonly string[];
  /** False when the storage account does not have the encryption scope, or the container has another one. */
  ensure(place: ContainerPlace & { readonly encryptionScope?: string | undefined }): Promise<boolean>;
  remove(place: ContainerPlace): Promise<void>;
  sasUrls(place: ContainerPlace, permissions: string, expiresAtMs: number): readonly string[];
  /** Of the blobs that are in no folder, in the order of their names; none without the container. */
  rootFileNames(place: ContainerPlace): Promise<readonly string[]>;
  readonly trackFiles: TrackFiles;
}
