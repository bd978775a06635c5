import type { Import, ImportItem } from '../domain/import.ts';
import type { JobReading, UploadedFile, Video } from '../domain/video.ts';
import type { TransformOutput } from '../domain/video-transform.ts';
import type { Outcome } from './media-service.ts';
import type { Page, Stored } from './stores.ts';

export interface VideoStore {
  find(name: string): Promise<Stored<Video> | undefined>;
  /** Writes when the stored one is still the one of `etag` (undefined: when there is none); undefined: it is not. */
  save(video: Video, etag: string | undefined): Promise<string | undefined>;
  remove(name: string, etag: string): Promise<boolean>;
  page(options: { after: string | undefined; sizeMax: number }): Promise<Page<Video>>;
}

/** Which video is uploaded to a container: storage events name nothing else. */
export interface UploadIndex {
  put(container: string, video: string): Promise<void>;
  find(container: string): Promise<string | undefined>;
  remove(container: string): Promise<void>;
}

export interface ImportStore {
  find(id: string): Promise<Stored<Import> | undefined>;
  save(value: Import, etag: string | undefined): Promise<string | undefined>;
  remove(id: string, etag: string): Promise<boolean>;
  page(options: { after: string | undefined; sizeMax: number }): Promise<Page<Import>>;
  items(id: string): Promise<readonly ImportItem[]>;
  saveItem(id: string, item: ImportItem): Promise<void>;
  removeItem(id: string, item: Pick<ImportItem, 'number'>): Promise<void>;
}

export interface Transforms {
  /** Makes it when it is not there; its name follows from what it makes, so it never changes. */
  ensure(name: string, outputs: readonly TransformOutput[]): Promise<Outcome>;
}

export type JobSource =
  | ({ readonly kind: 'asset'; readonly asset: string; readonly files: readonly string[] } & Clip)
  | { readonly kind: 'url'; readonly url: string };

interface Clip {
  /** Moments, or ISO 8601 durations after the beginning. */
  readonly from: string | null;
  readonly to: string | null;
}

export interface JobSettings {
  readonly transform: string;
  readonly name: string;
  readonly priority: 'low' | 'normal' | 'high';
  readonly source: JobSource;
  readonly outputs: readonly { readonly label: string; readonly asset: string }[];
}

export interface Jobs {
  find(transform: string, name: string): Promise<JobReading | undefined>;
  create(settings: JobSettings): Promise<Outcome>;
  cancel(transform: string, name: string): Promise<Outcome>;
  remove(transform: string, name: string): Promise<Outcome>;
}

export interface TextTrack {
  readonly asset: string;
  readonly name: string;
  readonly file: string;
  readonly language: string;
}

export interface Tracks {
  /** Undefined: there is none. */
  find(asset: string, name: string): Promise<'inProgress' | 'succeeded' | 'failed' | undefined>;
  add(track: TextTrack): Promise<Outcome>;
}

/** Assets that are uploaded to. */
export interface Inputs {
  create(name: string, place: { owner: string; container: string }): Promise<Outcome>;
  exists(name: string): Promise<boolean>;
  /** A signed address of the container; undefined: there is no such asset. */
  uploadUrl(name: string, expiresAtMs: number): Promise<string | undefined>;
}

/** Small files of assets; of a missing asset there are none. */
export interface AssetFiles {
  /** In the root, the one written last being the last. */
  list(asset: string): Promise<readonly UploadedFile[]>;
  /** Undefined: there is none. Throws when it is larger. */
  read(asset: string, file: string, sizeBytesMax: number): Promise<string | undefined>;
  write(asset: string, file: { name: string; text: string; contentType: string }): Promise<void>;
  remove(asset: string, file: string): Promise<void>;
}

export interface VideoMedia {
  readonly transforms: Transforms;
  readonly jobs: Jobs;
  readonly tracks: Tracks;
  readonly inputs: Inputs;
  readonly files: AssetFiles;
}
