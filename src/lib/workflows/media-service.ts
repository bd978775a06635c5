import type { ChannelSettings, IngestSettings, InputTrack } from '../domain/channel.ts';
import type { Delivery } from '../domain/protection.ts';
import type { LiveEventReading, OutputReading } from '../domain/snapshot.ts';
import type { KeyPolicySettings } from './protection-policies.ts';

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

export interface LocatorSettings {
  readonly name: string;
  readonly assetName: string;
  readonly locatorId: string;
  readonly streamingPolicy: string;
  /** Who gets its keys; null: others deliver them, or it has none. */
  readonly keyPolicy: string | null;
  /** With their values, 16 bytes in base64: secrets. */
  readonly contentKeys: readonly { readonly id: string; readonly label: string; readonly value: string }[];
  /** What licence servers know the media by. */
  readonly mediaId: string;
}

export type LocatorReading = Pick<
  LocatorSettings,
  'assetName' | 'locatorId' | 'streamingPolicy' | 'keyPolicy'
> & {
  readonly keyIds: readonly string[];
};

export interface Locators {
  find(name: string): Promise<LocatorReading | undefined>;
  create(locator: LocatorSettings): Promise<Outcome>;
  remove(name: string): Promise<Outcome>;
}

/** Who gets keys. */
export interface KeyPolicies {
  /** The mark that it was last written with, '' when it has none; undefined: there is no such policy. */
  findMark(name: string): Promise<string | undefined>;
  /** In place: what uses it goes on with it. */
  put(settings: KeyPolicySettings): Promise<Outcome>;
  remove(name: string): Promise<Outcome>;
}

/** How media is delivered; a policy never changes. */
export interface DeliveryPolicies {
  exists(name: string): Promise<boolean>;
  create(name: string, delivery: Delivery): Promise<Outcome>;
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
  readonly keyPolicies: KeyPolicies;
  readonly deliveryPolicies: DeliveryPolicies;
  readonly preview: Preview;
}
