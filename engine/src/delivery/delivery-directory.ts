import type { AllowedNetwork } from '../resources/ip-allow-list.ts';
import type { CrossSitePolicies, EndpointView } from './endpoint-view.ts';

/** What the origin reads of the control plane's state. Implemented over the table store; results may be cached ≤ 1 s. */
export interface DeliveryDirectory {
  findLocator(streamingLocatorId: string): Promise<LocatorView | undefined>;
  /** The endpoints of an account; of the engine's own, where none is known. */
  streamingEndpoints(account: string | undefined): Promise<readonly EndpointView[]>;
  /** How many units it should have: 0 is a standard endpoint. */
  streamingEndpointUnits(endpointName: string): Promise<number | undefined>;
}

/** A published asset, or the preview of a live event. */
export type LocatorView = AssetLocatorView | PreviewLocatorView;

export interface ServedProtocols {
  readonly hls: boolean;
  readonly dash: boolean;
}

export interface AssetLocatorView {
  readonly kind: 'asset';
  readonly account: string;
  readonly assetName: string;
  /** `{storage account}/{container}`. */
  readonly container: string;
  readonly startTimeMs: number | undefined;
  readonly endTimeMs: number | undefined;
  /** Which protocols the streaming policy lets through, in the clear. */
  readonly enabledProtocols: ServedProtocols;
  /** Which protocols it lets through encrypted. */
  readonly encryptedProtocols: ServedProtocols;
  /** Names of the filters that everything of the locator goes through. */
  readonly filters: readonly string[];
  /** Live outputs that record into this asset now. */
  readonly liveOutputs: readonly {
    readonly liveEventId: string;
    readonly outputName: string;
    readonly manifestName: string;
    readonly archiveWindowTicks: number;
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
  /** As those of a published asset. */
  readonly enabledProtocols: ServedProtocols;
  readonly encryptedProtocols: ServedProtocols;
}
