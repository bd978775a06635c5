import type { ContainerPlace } from '../resources/container-place.ts';

/** Blob containers of assets. A place may be the record of whatever has one. */
export interface ControlContainers {
  /** The account's primary storage account. */
  readonly accountName: string;
  /** All storage accounts of the account. */
  readonly accountNames: readonly string[];
  ensure(place: ContainerPlace): Promise<void>;
  remove(place: ContainerPlace): Promise<void>;
  sasUrls(place: ContainerPlace, permissions: string, expiresAtMs: number): readonly string[];
  manifestNames(place: ContainerPlace): Promise<readonly string[]>;
}
