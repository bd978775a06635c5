/** What the live runtime reads of the control plane's state. Implemented over the table store. */
export interface LiveDirectory {
  /** Undefined when no live event has this token. `accessToken` comes without hyphens, lower-case. */
  findLiveEventByAccessToken(accessToken: string): Promise<LiveEventView | undefined>;
  findLiveEvent(liveEventName: string): Promise<LiveEventView | undefined>;
  /** Every live event that is not Stopped (for a restart). */
  listActiveLiveEvents(): Promise<readonly LiveEventView[]>;
}

export interface LiveEventView {
  readonly name: string;
  readonly resourceState:
    | 'Stopped'
    | 'Allocating'
    | 'StandBy'
    | 'Starting'
    | 'Running'
    | 'Stopping'
    | 'Deleting';
  readonly accessToken: string;
  readonly previewLocatorId: string;
  readonly outputs: readonly LiveOutputView[];
}

export interface LiveOutputView {
  readonly name: string;
  readonly assetName: string;
  /** Blob container of the asset. */
  readonly container: string;
  /** Without `.ism`. */
  readonly manifestName: string;
  readonly archiveWindowTicks: number;
  readonly rewindWindowTicks: number | undefined;
  readonly resourceState: 'Creating' | 'Running' | 'Deleting';
}
