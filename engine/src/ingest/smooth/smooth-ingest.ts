import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { IngestRefusal } from '../ingest-refusal.ts';
import type { ProbedDoor, PublishRequest } from '../publish-session.ts';
import { isTimedMetadataPath, parseSmoothPath } from './smooth-path.ts';
import { type SmoothLog, SmoothPost, type SmoothPostLimits, writeRefusal } from './smooth-post.ts';

export interface SmoothIngestLimits extends SmoothPostLimits {
  /** From connecting to the end of the HTTP header. */
  readonly requestTimeoutMs: number;
  /** Between two requests of a connection. */
  readonly keepAliveTimeoutMs: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Of all connections together, for fragments that have not arrived whole. */
  readonly memoryBytesMax: number;
}

export const SMOOTH_INGEST_LIMITS: SmoothIngestLimits = {
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 15_000,
  headerTimeoutMs: 15_000,
  doorTimeoutMs: 10_000,
  receiverTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  fragmentTimeoutMs: 60_000,
  connectionsMax: 1_000,
  connectionsPerAddressMax: 100,
  memoryBytesMax: 512 * 1024 * 1024,
};
/** Refusals for want of room are told to the door this often at most: a flood of connections shall not become one of reports. */
const CAPACITY_REPORT_INTERVAL_MS = 1_000;
const HTTP_HEADER_BYTES_MAX = 16 * 1024;
/** How long stopping waits for sessions that do not close. */
const STOP_TIMEOUT_MS = 15_000;
const SWEEP_INTERVAL_MS_MAX = 1_000;
const SWEEP_INTERVAL_MS_MIN = 20;
const URL_HINT = 'The address must be http://host/{access token}/ingest.isml/Streams({stream name}).';

export interface SmoothIngestOptions {
  readonly port: number;
  readonly host: string;
  /** What users connect to, for events; port 0: the listener's own. */
  readonly publicHost: string;
  readonly publicPort: number;
  readonly door: ProbedDoor;
  readonly log: SmoothLog;
  readonly clock: { now(): number };
  readonly limits?: Partial<SmoothIngestLimits>;
}

export interface SmoothIngest {
  readonly port: number;
  /** Those that are lost and of which something is still to be taken count too. */
  connections(): number;
  /** Bytes of fragments that have not arrived whole, over all connections. */
  memoryBytes(): number;
  /** Drops every encoder (`MPI_SYSTEM_MAINTENANCE`), stops listening and waits until the sessions are closed. */
  close(): Promise<void>;
}

/** Listens for encoders that POST fragmented MP4 (Smooth Streaming). Rejects when it cannot listen. */
export async function startSmoothIngest(options: SmoothIngestOptions): Promise<SmoothIngest> {
  const limits = { ...SMOOTH_INGEST_LIMITS, ...options.limits };
  const listener = new SmoothListener(options, limits);
  const server = createServer(
    {
      maxHeaderSize: HTTP_HEADER_BYTES_MAX,
      headersTimeout: limits.requestTimeoutMs,
      // A POST lasts as long as its live event.
      requestTimeout: 0,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: sweepIntervalMs(limits),
    },
    (request, response) => listener.handle(request, response),
  );
  server.on('connection', (socket: Socket) => listener.admit(socket));
  server.listen(options.port, options.host);
  await once(server, 'listening');
  listener.port = portOf(server);
  const sweep = setInterval(() => listener.sweep(), sweepIntervalMs(limits));
  return {
    port: listener.port,
    connections: () => listener.connections,
    memoryBytes: () => listener.memoryBytes,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      const timer = new AbortController();
      await Promise.race([
        listener.stop(),
        sleep(STOP_TIMEOUT_MS, undefined, { signal: timer.signal }).catch(() => undefined),
      ]);
      timer.abort();
      clearInterval(sweep);
      server.closeAllConnections();
      await closed;
    },
  };
}

class SmoothListener {
  port = 0;
  readonly #options: SmoothIngestOptions;
  readonly #limits: SmoothIngestLimits;
  readonly #posts = new Map<SmoothPost, Promise<void>>();
  readonly #perAddress = new Map<string, number>();
  #connections = 0;
  #memoryBytes = 0;
  #capacityReportedMs = Number.NEGATIVE_INFINITY;
  #isStopping = false;

  constructor(options: SmoothIngestOptions, limits: SmoothIngestLimits) {
    this.#options = options;
    this.#limits = limits;
  }

  get connections(): number {
    return Math.max(this.#connections, this.#posts.size);
  }

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const ofAddress = this.#perAddress.get(address) ?? 0;
    const { connectionsMax, connectionsPerAddressMax } = this.#limits;
    if (this.#connections >= connectionsMax || ofAddress >= connectionsPerAddressMax || this.#isStopping) {
      this.#reportCapacity(socket);
      socket.destroy();
      return;
    }
    this.#connections += 1;
    this.#perAddress.set(address, ofAddress + 1);
    socket.once('close', () => {
      this.#connections -= 1;
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const encoder = {
      encoderIp: request.socket.remoteAddress ?? '',
      encoderPort: request.socket.remotePort ?? 0,
      protocol: 'FragmentedMP4',
      endpoint: 'primary',
    } as const;
    if (isTimedMetadataPath(request.url ?? '')) {
      refuseTimedMetadata(response);
      return;
    }
    const path = parseSmoothPath(request.url ?? '');
    if (path === undefined || !isIngestMethod(request.method)) {
      this.#report(encoder, 'MPE_BAD_URL_SYNTAX');
      writeRefusal(response, 'MPE_BAD_URL_SYNTAX', URL_HINT);
      response.end();
      return;
    }
    const ingestUrl = this.#ingestUrl(path.streamId);
    const post = new SmoothPost({
      ...this.#options,
      request,
      response,
      limits: this.#limits,
      publish: { ...encoder, ...path, ingestUrl },
      takeMemory: (bytes) => this.#takeMemory(bytes),
    });
    const run = post.run().finally(() => this.#posts.delete(post));
    this.#posts.set(post, run);
  }

  sweep(): void {
    for (const post of this.#posts.keys()) post.sweep();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const post of this.#posts.keys()) post.stop();
    await Promise.all(this.#posts.values());
  }

  #takeMemory(bytes: number): void {
    if (bytes > 0 && this.#memoryBytes + bytes > this.#limits.memoryBytesMax) {
      throw new IngestRefusal(
        'MPE_CAPACITY_LIMIT_REACHED',
        'The service is too busy to take the stream now.',
      );
    }
    this.#memoryBytes += bytes;
  }

  #ingestUrl(streamId: string): string {
    const { publicHost, publicPort } = this.#options;
    // The token in the path is the stream's key: events go to many places.
    return `http://${publicHost}:${publicPort || this.port}/****/ingest.isml/Streams(${streamId})`;
  }

  #reportCapacity(socket: Socket): void {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#capacityReportedMs < CAPACITY_REPORT_INTERVAL_MS) return;
    this.#capacityReportedMs = nowMs;
    const encoderIp = socket.remoteAddress ?? '';
    const encoderPort = socket.remotePort ?? 0;
    this.#options.log.warn('ingest.capacity', { encoderIp, connections: this.#connections });
    this.#report({ encoderIp, encoderPort, protocol: 'FragmentedMP4' }, 'MPE_CAPACITY_LIMIT_REACHED');
  }

  #report(
    request: Partial<PublishRequest>,
    resultCode: 'MPE_BAD_URL_SYNTAX' | 'MPE_CAPACITY_LIMIT_REACHED',
  ): void {
    this.#options.door.reportRefusal(request, resultCode).catch((error: unknown) => {
      this.#options.log.error('ingest.report.failed', { resultCode, error });
    });
  }
}

/** `input.timedMetadataEndpoints` of a live event are there, and what is sent to them is not taken yet. */
function refuseTimedMetadata(response: ServerResponse): void {
  const message = 'Timed metadata is not taken here: send it in a sparse track or in the RTMP stream.';
  response.writeHead(501, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify({ error: { code: 'NotSupported', message } }));
}

/** PUT is what some encoders say for the same. */
function isIngestMethod(method: string | undefined): boolean {
  return method === 'POST' || method === 'PUT';
}

function sweepIntervalMs(limits: SmoothIngestLimits): number {
  const { requestTimeoutMs, headerTimeoutMs, doorTimeoutMs, receiverTimeoutMs } = limits;
  const { idleTimeoutMs, fragmentTimeoutMs } = limits;
  const shortest = Math.min(
    ...[
      requestTimeoutMs,
      headerTimeoutMs,
      doorTimeoutMs,
      receiverTimeoutMs,
      idleTimeoutMs,
      fragmentTimeoutMs,
    ],
  );
  return Math.min(SWEEP_INTERVAL_MS_MAX, Math.max(SWEEP_INTERVAL_MS_MIN, shortest / 4));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
