import type { Autoscale, Loads } from '../domain/autoscale.ts';
import type { ScaleTarget } from '../domain/scaling.ts';
import type { Stored } from './stores.ts';

export interface AutoscaleStore {
  find(key: string): Promise<Stored<Autoscale> | undefined>;
  /** Writes when the stored one is still the one of `etag` (undefined: when there is none); undefined: it is not. */
  save(key: string, autoscale: Autoscale, etag: string | undefined): Promise<string | undefined>;
  remove(key: string, etag: string): Promise<boolean>;
  list(): Promise<readonly Stored<Autoscale>[]>;
}

/** What the media service measures. Throws when it cannot be reached; what it does not measure is absent. */
export interface LoadMetrics {
  read(target: ScaleTarget, period: { readonly windowMs: number; readonly nowMs: number }): Promise<Loads>;
}

/** How a target is now; undefined: there is none. */
export interface AutoscaleTargets {
  read(
    target: ScaleTarget,
  ): Promise<{ readonly units: number; readonly busy: boolean; readonly stopped: boolean } | undefined>;
}
