import type { AddedTrack } from '../library/added-track.ts';
import type { ProtectionKey, ProtectionScheme } from '../model/protection.ts';
import type { AllowedNetwork } from '../resources/ip-allow-list.ts';
import type { MediaFilterRecord } from '../resources/media-filter.ts';
import type { CrossSitePolicies, EndpointView } from './endpoint-view.ts';

/** What the origin reads of the control plane's state. Implemented over the table store; results may be cached ≤ 1 s. */
export interface DeliveryDirectory {
  findLocator(streamingLocatorId: string): Promise<LocatorView | undefined>;
  /** The endpoints of an account; of the engine's own, where none is known. */
  streamingEndpoints(account: string | undefined): Promise<readonly EndpointView[]>;
  /** The filters of an account, or those of an asset of it. */
  mediaFilters(account: string, assetName: string | undefined): Promise<readonly MediaFilterRecord[]>;
  /** How many units it should have: 0 is a standard endpoint. */
  streamingEndpointUnits(endpointName: string): Promise<number | undefined>;
}

/** A published asset, or the preview of a live event. */
export type LocatorView = AssetLocatorView | PreviewLocatorView;

export interface ServedProtocols {
  readonly hls: boolean;
  readonly dash: boolean;
  readonly smooth: boolean;
  /** Files as they are stored. */
  readonly download: boolean;
}

/** What the streaming policy lets through: in the clear, and by each of its encryptions. */
export interface DeliveryRules {
  readonly clear: ServedProtocols;
  /** At most one of a scheme. */
  readonly encrypted: readonly EncryptedDelivery[];
}

/** Tracks by FourCC: those that meet every condition of any of the selections. */
export type TrackSelections = readonly (readonly string[])[];

/** The part of a streaming policy that encrypts with one scheme, with the locator's keys for it. */
export interface EncryptedDelivery {
  readonly scheme: ProtectionScheme;
  readonly protocols: ServedProtocols;
  readonly clearTracks: TrackSelections;
  /** Undefined: they cannot be opened here, or there are none, as of a preview. Why is in the log. */
  readonly keys: readonly TrackKey[] | undefined;
  /** Different for every asset: initialization vectors of two recordings must not meet. */
  readonly ivIdentity: string;
  /** Different whenever anything else here is. */
  readonly version: string;
}

export interface TrackKey {
  readonly key: ProtectionKey;
  /** Empty: of every track that no other key is for. */
  readonly tracks: TrackSelections;
}

export interface AddedTrackView extends AddedTrack {
  /** It is being added or changed: until that is over, it is what it was. */
  readonly isPending: boolean;
}

export interface AssetLocatorView {
  readonly kind: 'asset';
  readonly account: string;
  readonly assetName: string;
  /** `{storage account}/{container}`. */
  readonly container: string;
  readonly startTimeMs: number | undefined;
  readonly endTimeMs: number | undefined;
  readonly rules: DeliveryRules;
  /** Names of the filters that everything of the locator goes through. */
  readonly filters: readonly string[];
  /** Tracks that were added to the asset, as far as players may have them. */
  readonly addedTracks: readonly AddedTrackView[];
  /** Live outputs that record into this asset now. */
  readonly liveOutputs: readonly {
    readonly liveEventId: string;
    readonly outputName: string;
    readonly manifestName: string;
    readonly archiveWindowTicks: number;
    /** As in `PresentationIndex`. */
    readonly fragmentsPerTsSegment?: number | undefined;
    readonly rewindWindowTicks: number | undefined;
  }[];
}

export interface PreviewLocatorView {
  readonly kind: 'preview';
  readonly account: string;
  readonly liveEventId: string;
  /** From where it may be watched; empty: from everywhere. */
  readonly viewerAllow: readonly AllowedNetwork[];
  readonly crossSite: CrossSitePolicies;
  /** As those of a published asset, without keys. */
  readonly rules: DeliveryRules;
}
