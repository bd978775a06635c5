import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PublishDoor, PublishRequest } from './publish-session.ts';
import { type IngestClock, type IngestLog, RtmpConnection } from './rtmp-connection.ts';
import { RTMP_INGEST_LIMITS, type RtmpIngestLimits } from './rtmp-limits.ts';
import { openRtmpListener, type RtmpListener, type TlsCertificate } from './rtmp-listener.ts';
import { StreamNames } from './stream-names.ts';

/** Refusals for want of room are told to the door this often at most: a flood of connections shall not become one of reports. */
const CAPACITY_REPORT_INTERVAL_MS = 1_000;
/** How long stopping waits for sessions that do not close. */
const STOP_TIMEOUT_MS = 15_000;
const SWEEP_INTERVAL_MS_MAX = 1_000;
const SWEEP_INTERVAL_MS_MIN = 20;

/** One address that encoders publish to. */
export interface RtmpAddress {
  readonly port: number;
  readonly endpoint: PublishRequest['endpoint'];
  /** Makes it RTMPS. */
  readonly tls?: TlsCertificate;
  /** The port that users are told; 0 or absent: the listener's own. */
  readonly publicPort?: number;
}

export interface RtmpIngestOptions {
  /** By name, as `ports` of the result has them. The limits count over all of them together. */
  readonly addresses: Readonly<Record<string, RtmpAddress>>;
  /** What the listeners bind to. */
  readonly host: string;
  /** The host name that users are told. */
  readonly publicHost: string;
  readonly door: PublishDoor;
  readonly log: IngestLog;
  readonly clock: IngestClock;
  readonly limits?: Partial<RtmpIngestLimits>;
}

export interface RtmpIngest {
  readonly ports: Readonly<Record<string, number>>;
  /** TCP connections, those in their TLS handshake too. */
  connections(): number;
  /** Drops every encoder (`MPI_SYSTEM_MAINTENANCE`), stops listening and waits until the sessions are closed. */
  close(): Promise<void>;
}

/** Listens for RTMP encoders and hands each one that the door lets in to its session. Rejects when it cannot listen. */
export async function startRtmpIngest(options: RtmpIngestOptions): Promise<RtmpIngest> {
  const limits = { ...RTMP_INGEST_LIMITS, ...options.limits };
  const connections = new Set<RtmpConnection>();
  const room = new ConnectionRoom(limits);
  const streamNames = new StreamNames();
  const listeners: RtmpListener[] = [];
  const ports: Record<string, number> = {};
  try {
    for (const [name, address] of Object.entries(options.addresses)) {
      const listener = await openAddress({ ...options, limits }, address, { room, connections, streamNames });
      listeners.push(listener);
      ports[name] = listener.port;
    }
  } catch (error) {
    for (const listener of listeners) await listener.close();
    throw error;
  }
  const sweep = setInterval(() => {
    for (const connection of connections) connection.sweep();
  }, sweepIntervalMs(limits));

  return {
    ports,
    connections: () => room.taken,
    close: async () => {
      clearInterval(sweep);
      const stopping = [...connections];
      for (const connection of stopping) connection.stop();
      const closed = listeners.map((listener) => listener.close());
      const finished = Promise.all([...closed, ...stopping.map((connection) => connection.finished)]);
      const timer = new AbortController();
      await Promise.race([
        finished,
        sleep(STOP_TIMEOUT_MS, undefined, { signal: timer.signal }).catch(() => undefined),
      ]);
      timer.abort();
    },
  };
}

interface SharedByListeners {
  readonly room: ConnectionRoom;
  readonly connections: Set<RtmpConnection>;
  readonly streamNames: StreamNames;
}

function openAddress(
  options: RtmpIngestOptions & { readonly limits: RtmpIngestLimits },
  address: RtmpAddress,
  { room, connections, streamNames }: SharedByListeners,
): Promise<RtmpListener> {
  const { host, publicHost, limits, log } = options;
  const { tls, endpoint, publicPort } = address;
  const opening = openRtmpListener({
    port: address.port,
    host,
    tls,
    tlsHandshakeTimeoutMs: limits.tlsHandshakeTimeoutMs,
    admit: (socket) => {
      const isAdmitted = room.take(socket);
      if (!isAdmitted) reportCapacity(options, room, socket);
      return isAdmitted;
    },
    onConnection: (socket) => {
      const scheme = tls === undefined ? 'rtmp' : 'rtmps';
      const port = publicPort || socket.localPort;
      const publicUrl = `${scheme}://${publicHost}:${port}/live`;
      const connection = new RtmpConnection({ ...options, socket, endpoint, publicUrl, streamNames });
      connections.add(connection);
      socket.once('close', () => connections.delete(connection));
    },
    onTlsFailure: (error, socket) =>
      log.info('ingest.tls.failed', { encoderIp: socket.remoteAddress, reason: errorCode(error) }),
  });
  return opening;
}

/** Told to the log and to the door, a flood of them once per interval. */
function reportCapacity({ clock, log, door }: RtmpIngestOptions, room: ConnectionRoom, socket: Socket): void {
  if (!room.isReportDue(clock.now())) return;
  const encoderIp = socket.remoteAddress ?? '';
  const encoderPort = socket.remotePort ?? 0;
  log.warn('ingest.capacity', { encoderIp, connections: room.taken });
  door
    .reportRefusal({ encoderIp, encoderPort, protocol: 'RTMP' }, 'MPE_CAPACITY_LIMIT_REACHED')
    .catch((error: unknown) => log.error('ingest.report.failed', { error }));
}

/** Counts TCP connections, in all and per address. */
class ConnectionRoom {
  readonly #limits: Pick<RtmpIngestLimits, 'connectionsMax' | 'connectionsPerAddressMax'>;
  readonly #perAddress = new Map<string, number>();
  #taken = 0;
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor(limits: Pick<RtmpIngestLimits, 'connectionsMax' | 'connectionsPerAddressMax'>) {
    this.#limits = limits;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Whether there is room; it is given back when the socket closes. */
  take(socket: Socket): boolean {
    const address = socket.remoteAddress ?? '';
    const ofAddress = this.#perAddress.get(address) ?? 0;
    const { connectionsMax, connectionsPerAddressMax } = this.#limits;
    if (this.#taken >= connectionsMax || ofAddress >= connectionsPerAddressMax) return false;
    this.#taken += 1;
    this.#perAddress.set(address, ofAddress + 1);
    socket.once('close', () => {
      this.#taken -= 1;
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
    return true;
  }

  isReportDue(nowMs: number): boolean {
    if (nowMs - this.#reportedMs < CAPACITY_REPORT_INTERVAL_MS) return false;
    this.#reportedMs = nowMs;
    return true;
  }
}

/** The text of a TLS error may quote what the peer sent; its code never does. */
function errorCode(error: Error): unknown {
  return 'code' in error ? error.code : error.name;
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
