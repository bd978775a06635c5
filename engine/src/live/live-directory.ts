import type { AllowedNetwork } from '../resources/ip-allow-list.ts';

/** What the live runtime reads of the control plane's state. Implemented over the table store. */
export interface LiveDirectory {
  /**
   * Undefined when no live event has this token now or had it before (`previousAccessToken` says until when that one is
   * good: look at the view). `accessToken` comes without hyphens,
   * lower-case.
   */
  findLiveEventByAccessToken(accessToken: string): Promise<LiveEventView | undefined>;
  findLiveEvent(liveEventId: string): Promise<LiveEventView | undefined>;
}

export interface LiveEventView {
  /** Among those of all accounts (`resources/live-event-id.ts`); opaque, in lower case. */
  readonly id: string;
  readonly name: string;
  readonly resourceState:
    | 'Stopped'
    | 'Allocating'
    | 'StandBy'
    | 'Starting'
    | 'Running'
    | 'Stopping'
    | 'Deleting';
  /** `Stopping` in order to run again: encoders are dropped for a reset and not for a stop. */
  readonly isResetting: boolean;
  readonly encodingType: 'None' | 'PassthroughBasic' | 'PassthroughStandard' | 'Standard' | 'Premium1080p';
  readonly streamingProtocol: 'RTMP' | 'FragmentedMP4';
  /** From where encoders may connect; empty: from nowhere. */
  readonly ingestAllow: readonly AllowedNetwork[];
  /** Without hyphens, lower-case, as `previousAccessToken.token`. */
  readonly accessToken: string;
  /** Lets encoders in as well until then; those that are connected with it are never dropped for it. */
  readonly previousAccessToken: { readonly token: string; readonly validUntilMs: number } | undefined;
  readonly previewLocatorId: string;
  readonly outputs: readonly LiveOutputView[];
}

export interface LiveOutputView {
  readonly name: string;
  readonly assetName: string;
  /** Blob container of the asset, `{storage account}/{container}`. */
  readonly container: string;
  /** Without `.ism`. */
  readonly manifestName: string;
  readonly archiveWindowTicks: number;
  /** Of HLS with MPEG-TS; undefined: nobody said. */
  readonly fragmentsPerTsSegment?: number | undefined;
  readonly rewindWindowTicks: number | undefined;
  /** What begins before this on the timeline is not recorded; 0 and undefined: everything is. */
  readonly startTicks?: number | undefined;
  readonly resourceState: 'Creating' | 'Running' | 'Deleting';
}
