import type { ChannelSettings, IngestSettings, InputTrack } from '../domain/channel.ts';
import type { LiveEventReading, OutputReading } from '../domain/snapshot.ts';

/**
 * `done`: carried out, or it was so already. `later`: busy or unreachable, ask again.
 * `refused`: asking again does not help.
 */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'later'; readonly code: string; readonly message: string }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

export interface LiveEventSettings {
  readonly name: string;
  readonly accessToken: string;
  readonly previewLocator: string;
  readonly allowFrom: readonly string[];
  readonly description: string;
  readonly keyFrameInterval: string | null;
  readonly encoding: ChannelSettings['encoding'];
  readonly ingest: IngestSettings;
}

export interface OutputSettings {
  readonly liveEvent: string;
  readonly name: string;
  readonly assetName: string;
  readonly manifestName: string;
  readonly keep: string;
  readonly rewind: string | null;
}

/** The media service, as reconcile needs it. Reads throw when it cannot be reached; writes tell by their outcome. */
export interface LiveEvents {
  find(name: string): Promise<LiveEventReading | undefined>;
  create(settings: LiveEventSettings): Promise<Outcome>;
  /** `tokenOverlap`: how long a replaced token is good for, as an ISO 8601 duration. */
  update(
    settings: LiveEventSettings,
    options: { withToken: boolean; tokenOverlap: string },
  ): Promise<Outcome>;
  run(name: string, verb: 'allocate' | 'start' | 'stop' | 'reset'): Promise<Outcome>;
  remove(name: string): Promise<Outcome>;
}

export interface Outputs {
  list(liveEvent: string): Promise<readonly OutputReading[]>;
  create(settings: OutputSettings): Promise<Outcome>;
  remove(liveEvent: string, name: string): Promise<Outcome>;
}

export interface Assets {
  /** The asset's owner mark; undefined when there is no such asset, '' when it has none. */
  findOwner(name: string): Promise<string | undefined>;
  create(name: string, owner: string): Promise<Outcome>;
  remove(name: string): Promise<Outcome>;
}

export interface Locators {
  /** The locator id; undefined when there is no such locator. */
  findId(name: string): Promise<string | undefined>;
  create(locator: { name: string; assetName: string; locatorId: string }): Promise<Outcome>;
  remove(name: string): Promise<Outcome>;
}

export interface PreviewReading {
  readonly sending: boolean;
  /** Changes as long as media goes on; null when it was not asked for. */
  readonly fingerprint: string | null;
  readonly tracks: readonly InputTrack[];
}

export interface Preview {
  /** Whether an encoder is sending, and what. */
  probe(previewUrl: string, options: { withFingerprint: boolean }): Promise<PreviewReading>;
}

export interface MediaService {
  readonly liveEvents: LiveEvents;
  readonly outputs: Outputs;
  readonly assets: Assets;
  readonly locators: Locators;
  readonly preview: Preview;
}
