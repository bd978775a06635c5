/** What one encoder, and all of them together, may take. */
export interface RtmpIngestLimits {
  readonly tlsHandshakeTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** From the handshake to `publish`. */
  readonly publishTimeoutMs: number;
  /** How long the door may think about one publisher. */
  readonly doorTimeoutMs: number;
  /** How long a full session may keep one encoder waiting. */
  readonly receiverTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
}

export const RTMP_INGEST_LIMITS: RtmpIngestLimits = {
  tlsHandshakeTimeoutMs: 5_000,
  handshakeTimeoutMs: 5_000,
  publishTimeoutMs: 15_000,
  doorTimeoutMs: 10_000,
  receiverTimeoutMs: 30_000,
  idleTimeoutMs: 30_000,
  connectionsMax: 1_000,
  connectionsPerAddressMax: 100,
};
