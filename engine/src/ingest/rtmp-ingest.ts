import { once } from 'node:events';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { PublishDoor } from './publish-session.ts';
import {
  type IngestClock,
  type IngestLog,
  RtmpConnection,
  type RtmpIngestLimits,
} from './rtmp-connection.ts';

export const RTMP_INGEST_LIMITS: RtmpIngestLimits = {
  handshakeTimeoutMs: 5_000,
  publishTimeoutMs: 15_000,
  idleTimeoutMs: 30_000,
  connectionsMax: 1_000,
  connectionsPerAddressMax: 100,
};
const SWEEP_INTERVAL_MS_MAX = 1_000;
const SWEEP_INTERVAL_MS_MIN = 20;

export interface RtmpIngestOptions {
  readonly port: number;
  readonly host: string;
  readonly door: PublishDoor;
  readonly log: IngestLog;
  readonly clock: IngestClock;
  readonly limits?: Partial<RtmpIngestLimits>;
  /** Makes the listener, so that RTMPS is `node:tls` instead of `node:net`. */
  createServer?(onConnection: (socket: Socket) => void): Server;
}

export interface RtmpIngest {
  readonly port: number;
  connections(): number;
  /** Drops every encoder (`MPI_SYSTEM_MAINTENANCE`) and stops listening. */
  close(): Promise<void>;
}

/** Listens for RTMP encoders and hands each one that the door lets in to its session. Rejects when it cannot listen. */
export async function startRtmpIngest(options: RtmpIngestOptions): Promise<RtmpIngest> {
  const limits = { ...RTMP_INGEST_LIMITS, ...options.limits };
  const connections = new Set<RtmpConnection>();
  const perAddress = new Map<string, number>();
  const accept = (socket: Socket): void => {
    const address = socket.remoteAddress ?? '';
    const ofAddress = perAddress.get(address) ?? 0;
    if (connections.size >= limits.connectionsMax || ofAddress >= limits.connectionsPerAddressMax) {
      options.log.warn('ingest.capacity', { encoderIp: address, connections: connections.size });
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const connection = new RtmpConnection({ ...options, limits, socket });
    connections.add(connection);
    perAddress.set(address, ofAddress + 1);
    socket.once('close', () => {
      connections.delete(connection);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
    });
  };

  const server = options.createServer?.(accept) ?? createTcpServer(accept);
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const sweep = setInterval(() => {
    for (const connection of connections) connection.sweep();
  }, sweepIntervalMs(limits));

  return {
    port: portOf(server),
    connections: () => connections.size,
    close: async () => {
      clearInterval(sweep);
      const closed = once(server, 'close');
      server.close();
      for (const connection of connections) connection.stop();
      await closed;
    },
  };
}

function sweepIntervalMs(limits: RtmpIngestLimits): number {
  const shortest = Math.min(limits.handshakeTimeoutMs, limits.publishTimeoutMs, limits.idleTimeoutMs);
  return Math.min(SWEEP_INTERVAL_MS_MAX, Math.max(SWEEP_INTERVAL_MS_MIN, shortest / 4));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
