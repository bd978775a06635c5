import type { ChildProcess } from 'node:child_process';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { DeliveryLog } from './origin-ports.ts';
import { type DrainTimes, ServingProcess, type ServingReport } from './serving-process.ts';

/** Connections that came while no process was ready. */
const WAITING_MAX = 2_000;
const WAITING_MS_MAX = 10_000;
const BACKLOG = 1_024;
/** The first restart is at once: most crashes do not repeat. */
const RESTART_DELAYS_MS = [0, 250, 1_000, 2_000];
const RESTART_DELAY_MS_MAX = 5_000;
/** Who served this long has recovered; its next crash is a first one. */
const STEADY_MS = 10_000;
const FIRST_STARTS_MAX = 3;
/** Long enough that a player with a reload of six seconds comes by and is told to connect anew. */
const SCALE_DOWN_TIMES: DrainTimes = { idleMs: 8_000, allMs: 30_000 };
const STOP_TIMES: DrainTimes = { idleMs: 500, allMs: 6_000 };

export interface OriginPoolDeps {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Of connections with TLS; undefined: there are none. */
  readonly tlsPort?: number | undefined;
  readonly startProcess: () => ChildProcess;
  readonly log: DeliveryLog;
  /** Told whenever `ready` may have changed. */
  readonly onChange?: () => void;
  readonly onServed?: (report: ServingReport) => void;
  readonly scaleDownTimes?: DrainTimes;
}

/**
 * One listening port and any number of processes that serve it. The connections are accepted here and handed over in
 * turn, so none is refused while processes come, go or crash: at worst it waits for the next one to be ready.
 */
export class OriginPool {
  readonly #deps: OriginPoolDeps;
  readonly #server: Server;
  /** Undefined: nobody is served with TLS. */
  readonly #tlsServer: Server | undefined;
  readonly #processes = new Set<ServingProcess>();
  /** Whether each is to be served with TLS. */
  readonly #waiting = new Map<Socket, boolean>();
  #size = 0;
  #crashes = 0;
  #everReady = false;
  #isClosing = false;
  #restartTimer: NodeJS.Timeout | undefined;
  #settleFirst: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;

  private constructor(deps: OriginPoolDeps) {
    this.#deps = deps;
    // What is not ours to read is left to the process that gets it.
    const options = { pauseOnConnect: true, allowHalfOpen: true };
    this.#server = createServer(options, (socket) => this.#route(socket, false));
    this.#tlsServer =
      deps.tlsPort === undefined ? undefined : createServer(options, (socket) => this.#route(socket, true));
  }

  /** Resolves when the first of `size` processes serves; rejects when the port is taken or none ever does. */
  static async start(deps: OriginPoolDeps, size: number): Promise<OriginPool> {
    const pool = new OriginPool(deps);
    try {
      await pool.#listen(pool.#server, deps.port);
      if (pool.#tlsServer !== undefined) await pool.#listen(pool.#tlsServer, deps.tlsPort ?? 0);
      await new Promise<void>((resolve, reject) => {
        pool.#settleFirst = { resolve, reject };
        pool.resize(size);
      });
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  get port(): number {
    return portOf(this.#server);
  }

  get tlsPort(): number | undefined {
    return this.#tlsServer && portOf(this.#tlsServer);
  }

  /** Processes there should be. */
  get size(): number {
    return this.#size;
  }

  /** Processes that take connections now. */
  get ready(): number {
    return [...this.#processes].filter(({ isReady }) => isReady).length;
  }

  resize(size: number): void {
    this.#size = size;
    const serving = [...this.#processes].filter(({ isDraining }) => !isDraining);
    // The youngest go: they know least.
    for (const process of serving.slice(size))
      void process.drain(this.#deps.scaleDownTimes ?? SCALE_DOWN_TIMES);
    if (this.#restartTimer === undefined) this.#startMissing();
    this.#deps.onChange?.();
  }

  /** Accepts nothing more, lets what is under way end, and resolves when all processes are gone. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#restartTimer);
    this.#server.close();
    this.#tlsServer?.close();
    await Promise.all([...this.#processes].map((process) => process.drain(STOP_TIMES)));
    for (const socket of this.#waiting.keys()) socket.destroy();
  }

  #listen(server: Server, port: number): Promise<void> {
    const { host, log } = this.#deps;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', reject);
        // Such as no more file descriptors: the next connection may go better.
        server.on('error', (error) => log.warn('origin.acceptFailed', { error }));
        resolve();
      });
    });
  }

  #route(socket: Socket, isTls: boolean): void {
    for (const process of this.#processes) {
      if (!process.isReady) continue;
      // In turn: to the end of the line.
      this.#processes.delete(process);
      this.#processes.add(process);
      process.hand(socket, isTls);
      return;
    }
    this.#wait(socket, isTls);
  }

  #wait(socket: Socket, isTls: boolean): void {
    if (this.#isClosing || this.#waiting.size >= WAITING_MAX) {
      socket.destroy();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), WAITING_MS_MAX);
    this.#waiting.set(socket, isTls);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      this.#waiting.delete(socket);
    });
  }

  #startMissing(): void {
    if (this.#isClosing) return;
    const serving = [...this.#processes].filter(({ isDraining }) => !isDraining).length;
    for (let count = serving; count < this.#size; count += 1) {
      const process = new ServingProcess(this.#deps.startProcess(), {
        onReady: (ready) => this.#onReady(ready),
        onLeaving: (leaving) => void leaving.drain(STOP_TIMES),
        onGone: (gone, reason) => this.#onGone(gone, reason),
        onServed: (report) => this.#deps.onServed?.(report),
      });
      this.#processes.add(process);
    }
  }

  #onReady(process: ServingProcess): void {
    this.#everReady = true;
    this.#settleFirst?.resolve();
    this.#deps.log.info('origin.processReady', { pid: process.pid, ready: this.ready });
    // Viewers keep their connections: without this a new process would have nobody to serve.
    for (const other of this.#processes) if (other !== process) other.shed(1 / this.ready);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [socket, isTls] of waiting) if (!socket.destroyed) this.#route(socket, isTls);
    this.#deps.onChange?.();
  }

  #onGone(process: ServingProcess, reason: string): void {
    this.#processes.delete(process);
    const isExpected = this.#isClosing || process.isAskedToGo;
    const fields = { pid: process.pid, reason, ready: this.ready };
    if (isExpected) this.#deps.log.info('origin.processEnded', fields);
    else this.#deps.log.warn('origin.processLost', fields);
    this.#deps.onChange?.();
    if (this.#isClosing || this.#restartTimer !== undefined) return;
    const isSteady = isExpected || performance.now() - process.startedAtMs > STEADY_MS;
    this.#crashes = isSteady ? 0 : this.#crashes + 1;
    if (!this.#everReady && this.#crashes >= FIRST_STARTS_MAX) {
      this.#settleFirst?.reject(new Error(`no serving process could be started: ${reason}`));
      return;
    }
    const delayMs = RESTART_DELAYS_MS[Math.max(0, this.#crashes - 1)] ?? RESTART_DELAY_MS_MAX;
    this.#restartTimer = setTimeout(() => {
      this.#restartTimer = undefined;
      this.#startMissing();
    }, delayMs);
  }
}

function portOf(server: Server): number {
  // Of a TCP server that listens: neither null nor a path.
  return (server.address() as AddressInfo).port;
}
