import { once } from 'node:events';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
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
  doorTimeoutMs: 10_000,
  receiverTimeoutMs: 30_000,
  idleTimeoutMs: 30_000,
  connectionsMax: 1_000,
  connectionsPerAddressMax: 100,
};
/** Refusals for want of room are told to the door this often at most: a flood of connections shall not become one of reports. */
const CAPACITY_REPORT_INTERVAL_MS = 1_000;
/** How long stopping waits for sessions that do not close. */
const STOP_TIMEOUT_MS = 15_000;
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
  /** Drops every encoder (`MPI_SYSTEM_MAINTENANCE`), stops listening and waits until the sessions are closed. */
  close(): Promise<void>;
}

/** Listens for RTMP encoders and hands each one that the door lets in to its session. Rejects when it cannot listen. */
export async function startRtmpIngest(options: RtmpIngestOptions): Promise<RtmpIngest> {
  const limits = { ...RTMP_INGEST_LIMITS, ...options.limits };
  const connections = new Set<RtmpConnection>();
  const perAddress = new Map<string, number>();
  let capacityReportedMs = Number.NEGATIVE_INFINITY;
  const reportCapacity = (socket: Socket): void => {
    const nowMs = options.clock.now();
    if (nowMs - capacityReportedMs < CAPACITY_REPORT_INTERVAL_MS) return;
    capacityReportedMs = nowMs;
    const encoderIp = socket.remoteAddress ?? '';
    const encoderPort = socket.remotePort ?? 0;
    options.log.warn('ingest.capacity', { encoderIp, connections: connections.size });
    options.door
      .reportRefusal({ encoderIp, encoderPort, protocol: 'RTMP' }, 'MPE_CAPACITY_LIMIT_REACHED')
      .catch((error: unknown) => options.log.error('ingest.report.failed', { error }));
  };
  const accept = (socket: Socket): void => {
    const address = socket.remoteAddress ?? '';
    const ofAddress = perAddress.get(address) ?? 0;
    if (connections.size >= limits.connectionsMax || ofAddress >= limits.connectionsPerAddressMax) {
      reportCapacity(socket);
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
      const stopping = [...connections];
      for (const connection of stopping) connection.stop();
      const finished = Promise.all([closed, ...stopping.map((connection) => connection.finished)]);
      const timer = new AbortController();
      await Promise.race([
        finished,
        sleep(STOP_TIMEOUT_MS, undefined, { signal: timer.signal }).catch(() => undefined),
      ]);
      timer.abort();
    },
  };
}

function sweepIntervalMs(limits: RtmpIngestLimits): number {
  const { handshakeTimeoutMs, publishTimeoutMs, doorTimeoutMs, receiverTimeoutMs, idleTimeoutMs } = limits;
  const shortest = Math.min(
    handshakeTimeoutMs,
    publishTimeoutMs,
    doorTimeoutMs,
    receiverTimeoutMs,
    idleTimeoutMs,
  );
  return Math.min(SWEEP_INTERVAL_MS_MAX, Math.max(SWEEP_INTERVAL_MS_MIN, shortest / 4));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
