/** What the control plane asks of the media side. Level-triggered: the rows say what is wanted. */
export interface LiveRuntime {
  /** Re-reads the live event's rows and resolves when what is actual matches them. */
  refresh(liveEventName: string): Promise<void>;
}

/**
 * The live runtime of a process without ingest, where no encoder can be connected: the rows are all there is. An ingest
 * process elsewhere reads the same rows when an encoder connects.
 */
export function createDetachedLiveRuntime(): LiveRuntime {
  return { refresh: () => Promise.resolve() };
}
