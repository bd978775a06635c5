import type { ContainerPlace } from '../resources/container-place.ts';

export interface ListedBlob {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface BlobFacts {
  readonly sizeBytes: number;
  readonly entityTag: string;
}

export interface TransferOptions {
  readonly signal: AbortSignal;
  /** How many bytes have arrived since it was told last. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** Where the bytes of a blob come from. */
export type BlobBody = { readonly path: string } | { readonly text: string };

/** A blob whose bytes are all there, and that nobody sees yet. */
export interface StagedBlob {
  commit(signal: AbortSignal): Promise<void>;
}

/** Held by one process at a time; whoever does not renew it for as long as was said has lost it. */
export interface BlobClaim {
  readonly kind: 'claimed';
  /** False: somebody else may have it. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** Somebody else has it, and loses it after so many milliseconds unless it is renewed. */
export interface HeldElsewhere {
  readonly kind: 'held';
  readonly forMs: number;
}

/**
 * What jobs need of storage. Calls are repeated while storage is away, for a minute and a half; then, or when it refuses,
 * they throw errors with the code `BlobTransient` or `BlobRefused`; when `signal` fires, its reason.
 */
export interface JobBlobs {
  /** Below `prefix`, without the blobs in folders below where `isFlat` is false. None without the container. */
  list(
    place: ContainerPlace,
    prefix: string,
    options: { readonly isFlat: boolean },
  ): Promise<readonly ListedBlob[]>;
  /** First parts of the names of what has a slash in its name. */
  folders(place: ContainerPlace): Promise<readonly string[]>;
  facts(place: ContainerPlace, name: string, signal: AbortSignal): Promise<BlobFacts | undefined>;
  /** The blob's bytes to a new file, however often the connection breaks; false: it is not there (in this version). */
  download(
    place: ContainerPlace,
    name: string,
    target: { readonly path: string; readonly facts: BlobFacts },
    options: TransferOptions,
  ): Promise<boolean>;
  readText(place: ContainerPlace, name: string, signal: AbortSignal): Promise<string | undefined>;
  /** False: there is one already. Makes the container. */
  createText(place: ContainerPlace, name: string, text: string, signal: AbortSignal): Promise<boolean>;
  stage(
    place: ContainerPlace,
    name: string,
    body: BlobBody & { readonly contentType: string },
    options: TransferOptions,
  ): Promise<StagedBlob>;
  remove(place: ContainerPlace, name: string): Promise<void>;
  /** To be renewed more often than every `leaseMs`. */
  claim(
    place: ContainerPlace,
    name: string,
    options: { readonly leaseMs: number; readonly signal: AbortSignal },
  ): Promise<BlobClaim | HeldElsewhere>;
}
