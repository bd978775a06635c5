import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';
import { splitLines } from '../line-splitter.ts';
import { parseOutputLine } from './worker-output.ts';
import {
  type FromWorker,
  type InvocationResponse,
  parseFromWorker,
  type WorkerChannel,
  type WorkerStart,
} from './worker-protocol.ts';

export interface ChildWorkerOptions {
  /** The script and arguments that end in `runHostWorker()`. */
  readonly entry: { readonly path: string; readonly args: readonly string[] };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly startTimeoutMs?: number;
  readonly stopTimeoutMs?: number;
}

/** The worker ended before it answered. */
export class WorkerGone extends Error {
  override readonly name = 'WorkerGone';
}

const START_TIMEOUT_MS = 60_000;
// The real host's grace for a terminating worker (WorkerConstants.cs).
const STOP_TIMEOUT_MS = 5000;

interface Pending<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** A worker in a child process with IPC: what the app does to its process does not reach the host. */
export function openChildWorker(options: ChildWorkerOptions): WorkerChannel {
  return new ChildWorker(options);
}

class ChildWorker implements WorkerChannel {
  onLog: NonNullable<WorkerChannel['onLog']> = () => undefined;
  onExit: NonNullable<WorkerChannel['onExit']> = () => undefined;
  readonly #options: ChildWorkerOptions;
  readonly #invocations = new Map<string, Pending<InvocationResponse>>();
  #child: ChildProcess | undefined;
  #starting: Pending<WorkerStart> | undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor(options: ChildWorkerOptions) {
    this.#options = options;
  }

  async start(appDir: string): Promise<WorkerStart> {
    const child = fork(this.#options.entry.path, this.#options.entry.args, {
      cwd: appDir,
      env: this.#options.env,
      // Bytes travel as bytes.
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#gone(`worker ended with ${signal ?? `code ${code}`}`);
        resolve();
      });
      child.once('error', (error) => {
        this.#gone(`worker could not be started: ${error.message}`);
        resolve();
      });
    });
    child.on('message', (raw) => this.#received(raw));
    this.#relayOutput(child.stdout, 'information');
    this.#relayOutput(child.stderr, 'error');
    const timer = setTimeout(() => this.kill(), this.#options.startTimeoutMs ?? START_TIMEOUT_MS);
    try {
      return await new Promise<WorkerStart>((resolve, reject) => {
        this.#starting = { resolve, reject };
        child.send({ kind: 'start', appDir });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  invoke(request: Parameters<WorkerChannel['invoke']>[0]): Promise<InvocationResponse> {
    const child = this.#child;
    if (child?.connected !== true) return Promise.reject(new WorkerGone('worker is not running'));
    return new Promise((resolve, reject) => {
      this.#invocations.set(request.invocationId, { resolve, reject });
      child.send({ kind: 'invoke', request }, (error) => {
        if (error !== null) this.#gone(`worker cannot be reached: ${error.message}`);
      });
    });
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return this.#exited;
    const timer = setTimeout(() => this.kill(), this.#options.stopTimeoutMs ?? STOP_TIMEOUT_MS);
    if (child.connected) child.send({ kind: 'stop' }, () => undefined);
    await this.#exited;
    clearTimeout(timer);
  }

  /** What is in flight fails now, not when the process is gone: nobody must be sent to a dying worker. */
  kill(): void {
    this.#child?.kill('SIGKILL');
    this.#gone('worker was killed');
  }

  #received(raw: unknown): void {
    const message: FromWorker | undefined = parseFromWorker(raw);
    if (message?.kind === 'response') {
      const pending = this.#invocations.get(message.response.invocationId);
      this.#invocations.delete(message.response.invocationId);
      pending?.resolve(message.response);
    } else if (message?.kind === 'log') this.onLog(message.record);
    else if (message?.kind === 'started') this.#starting?.resolve(message.start);
    else if (message?.kind === 'startFailed') {
      const { message: text, stackTrace } = message.exception;
      this.#starting?.reject(new Error(`the app does not load: ${text}`, { cause: stackTrace }));
    }
  }

  #gone(why: string): void {
    const error = new WorkerGone(why);
    this.#starting?.reject(error);
    this.#starting = undefined;
    const invocations = [...this.#invocations.values()];
    this.#invocations.clear();
    for (const pending of invocations) pending.reject(error);
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined) this.onExit(why);
  }

  #relayOutput(stream: Readable | null, level: string): void {
    if (stream === null) return;
    splitLines(stream, (line) => {
      if (line.trim() !== '') this.onLog(parseOutputLine(line, level));
    });
  }
}
