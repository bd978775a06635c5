/** The streams that encoders publish to this process now, by access token. */
export class StreamNames {
  readonly #streams = new Map<string, Map<string, number>>();

  /** Counts a connection; the function that is returned takes it back, once. */
  enter(accessToken: string, streamId: string): () => void {
    const streams = this.#streams.get(accessToken) ?? new Map<string, number>();
    this.#streams.set(accessToken, streams);
    streams.set(streamId, (streams.get(streamId) ?? 0) + 1);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      const left = (streams.get(streamId) ?? 1) - 1;
      if (left > 0) streams.set(streamId, left);
      else streams.delete(streamId);
      if (streams.size === 0) this.#streams.delete(accessToken);
    };
  }

  /** Whether a stream of another name is published with the same token. */
  hasOthers(accessToken: string, streamId: string): boolean {
    const streams = this.#streams.get(accessToken);
    return streams !== undefined && streams.size > (streams.has(streamId) ? 1 : 0);
  }
}
