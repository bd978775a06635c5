import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { SeriesCell } from '../metrics/tally.ts';

/** Beyond what it was given for draining, before it is killed. */
const EXIT_GRACE_MS = 2_000;
const READY_MS_MAX = 30_000;

export interface DrainTimes {
  /** How long a connection without a request is kept: a viewer's next one may be on its way. */
  readonly idleMs: number;
  /** How long answers that are under way may take. */
  readonly allMs: number;
}

/** What a serving process is told, and what it tells, over its channel. */
export type ToServingProcess =
  | { readonly kind: 'connection'; readonly isTls: boolean }
  /** Every connection is told with this probability, at its next answer, to connect anew: there is somebody else now. */
  | { readonly kind: 'shed'; readonly share: number }
  | ({ readonly kind: 'drain' } & DrainTimes);
export type FromServingProcess = 'ready' | 'draining' | ServingReport;

/** What a serving process has done since its last report. */
export interface ServingReport {
  readonly kind: 'served';
  readonly cells: readonly SeriesCell[];
  readonly processorMs: number;
  readonly wallMs: number;
}

export interface ServingProcessObserver {
  /** It takes connections from now on. */
  onReady(process: ServingProcess): void;
  /** It was told by somebody else to stop, and wants no more connections. */
  onLeaving(process: ServingProcess): void;
  onGone(process: ServingProcess, reason: string): void;
  onServed(report: ServingReport): void;
}

/** A child that serves the connections it is handed. */
export class ServingProcess {
  readonly #child: ChildProcess;
  readonly startedAtMs = performance.now();
  readonly #gone: Promise<void>;
  #state: 'starting' | 'ready' | 'draining' | 'gone' = 'starting';
  #killTimer: NodeJS.Timeout;
  /** Its end is no crash. */
  isAskedToGo = false;

  constructor(child: ChildProcess, observer: ServingProcessObserver) {
    this.#child = child;
    this.#killTimer = setTimeout(() => child.kill('SIGKILL'), READY_MS_MAX);
    child.on('message', (message) => {
      if (message === 'draining') observer.onLeaving(this);
      if (isServingReport(message)) observer.onServed(message);
      if (message !== 'ready' || this.#state !== 'starting') return;
      clearTimeout(this.#killTimer);
      this.#state = 'ready';
      observer.onReady(this);
    });
    this.#gone = new Promise((resolve) => {
      const onGone = (reason: string): void => {
        if (this.#state === 'gone') return;
        clearTimeout(this.#killTimer);
        this.#state = 'gone';
        observer.onGone(this, reason);
        resolve();
      };
      // A channel that breaks is told by `exit` too.
      child.on('error', (error) => {
        if (child.pid === undefined) onGone(error.message);
      });
      child.once('exit', (code, signal) => onGone(signal ?? `exit code ${code}`));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  get isDraining(): boolean {
    return this.#state === 'draining';
  }

  hand(socket: Socket, isTls: boolean): void {
    this.#send({ kind: 'connection', isTls }, socket);
  }

  shed(share: number): void {
    if (this.#state === 'ready') this.#send({ kind: 'shed', share });
  }

  /** Resolves when it is gone. What it was handed before is answered. */
  async drain(times: DrainTimes): Promise<void> {
    this.isAskedToGo = true;
    if (this.#state === 'starting') {
      this.#state = 'draining';
      this.#child.kill('SIGKILL');
    } else if (this.#state === 'ready') {
      this.#state = 'draining';
      this.#send({ kind: 'drain', ...times });
      this.#killTimer = setTimeout(() => this.#child.kill('SIGKILL'), times.allMs + EXIT_GRACE_MS);
    }
    await this.#gone;
  }

  #send(message: ToServingProcess, socket?: Socket): void {
    // Messages keep their order; who dies meanwhile takes the connection along.
    this.#child.send(message, socket, {}, (error) => {
      if (error !== null) socket?.destroy();
    });
  }
}

/** From this program itself. */
function isServingReport(message: unknown): message is ServingReport {
  return Object(message).kind === 'served';
}
