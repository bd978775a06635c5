import { type ChildProcess, spawn } from 'node:child_process';
import { splitLines } from './line-splitter.ts';

export interface ProcessSpec {
  readonly name: string;
  /** What is run; Node unless given. */
  readonly command?: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** True of the line of its stdout that says it serves. */
  isReady(line: string): boolean;
  /** From SIGTERM to SIGKILL. */
  readonly stopWithinMs: number;
}

export interface ProcessObserver {
  output(spec: ProcessSpec, line: string): void;
  ready(spec: ProcessSpec, info: { readonly afterMs: number; readonly restarts: number }): void;
  exited(spec: ProcessSpec, info: { readonly reason: string; readonly restartInMs: number }): void;
}

/** Thrown by `start` when a process never became ready. */
export class StartFailed extends Error {
  readonly code = 'StartFailed';
  readonly lastLines: readonly string[];
  constructor(spec: ProcessSpec, reason: string, lastLines: readonly string[]) {
    super(`${spec.name} could not be started: ${reason}`);
    this.name = 'StartFailed';
    this.lastLines = lastLines;
  }
}

/** The first restart is at once: most crashes do not repeat. */
const RESTART_DELAYS_MS = [0, 500, 1000, 2000, 5000] as const;
const RESTART_DELAY_MS_MAX = 5000;
/** A process that served this long has recovered; its next crash is a first one. */
const STEADY_MS = 10_000;
const READY_WITHIN_MS = 30_000;
const START_ATTEMPTS_MAX = 3;
const LAST_LINES_MAX = 12;

/** How long to wait before the restart after `crashes` crashes in a row. */
export function restartDelayMs(crashes: number): number {
  return RESTART_DELAYS_MS[crashes - 1] ?? RESTART_DELAY_MS_MAX;
}

/**
 * One child that is kept running: in a process group of its own, restarted with back-off when it ends, stopped with
 * SIGTERM and a deadline. Its stdin is a pipe that closes when this process dies, however it dies.
 */
export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  readonly #observer: ProcessObserver;
  readonly #lastLines: string[] = [];
  #child: ChildProcess | undefined;
  #crashes = 0;
  #restarts = 0;
  #everReady = false;
  #stopping = false;
  #restartTimer: NodeJS.Timeout | undefined;
  #gone: Promise<void> = Promise.resolve();
  #settleStart: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(spec: ProcessSpec, observer: ProcessObserver) {
    this.#spec = spec;
    this.#observer = observer;
  }

  get name(): string {
    return this.#spec.name;
  }

  /** Undefined between a crash and the restart. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it serves for the first time; rejects with `StartFailed` after three attempts. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#settleStart = { resolve, reject };
      this.#spawn();
    });
  }

  /** Resolves when the process and everything in its group is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    this.#settleStart?.reject(new StartFailed(this.#spec, 'it was stopped', []));
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => killGroup(child), this.#spec.stopWithinMs);
    await this.#gone;
    clearTimeout(timer);
  }

  /** Ends it without asking. */
  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    if (this.#child !== undefined) killGroup(this.#child);
  }

  #spawn(): void {
    const { command, args, env, cwd } = this.#spec;
    const spawnedAt = performance.now();
    const child = spawn(command ?? process.execPath, [...args], {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    let readyAt: number | undefined;
    const tooLate = setTimeout(() => killGroup(child), READY_WITHIN_MS);
    child.stdin.on('error', () => undefined);
    splitLines(child.stdout, (line) => {
      if (readyAt === undefined && this.#spec.isReady(line)) {
        readyAt = performance.now();
        clearTimeout(tooLate);
        this.#onReady(readyAt - spawnedAt);
      }
      this.#onLine(line);
    });
    splitLines(child.stderr, (line) => this.#onLine(line));
    this.#gone = new Promise((resolve) => {
      const ended = (reason: string) => {
        clearTimeout(tooLate);
        // What it leaves behind (a worker of its own) would hold the ports of the next one.
        killGroup(child);
        if (this.#child === child) {
          this.#child = undefined;
          this.#onGone(reason, readyAt);
        }
        resolve();
      };
      child.once('error', (error) => ended(error.message));
      child.once('close', (code, signal) => ended(signal ?? `exit code ${code}`));
      // A grandchild may keep the pipes open: the group is ended as soon as its leader is.
      child.once('exit', () => killGroup(child));
    });
  }

  #onReady(afterMs: number): void {
    this.#everReady = true;
    this.#settleStart?.resolve();
    this.#settleStart = undefined;
    this.#observer.ready(this.#spec, { afterMs: Math.round(afterMs), restarts: this.#restarts });
  }

  #onLine(line: string): void {
    this.#lastLines.push(line);
    if (this.#lastLines.length > LAST_LINES_MAX) this.#lastLines.shift();
    this.#observer.output(this.#spec, line);
  }

  #onGone(reason: string, readyAt: number | undefined): void {
    if (this.#stopping) return;
    const wasSteady = readyAt !== undefined && performance.now() - readyAt >= STEADY_MS;
    this.#crashes = wasSteady ? 1 : this.#crashes + 1;
    if (!this.#everReady && this.#crashes >= START_ATTEMPTS_MAX) {
      this.#settleStart?.reject(new StartFailed(this.#spec, reason, [...this.#lastLines]));
      this.#settleStart = undefined;
      return;
    }
    const restartInMs = restartDelayMs(this.#crashes);
    this.#observer.exited(this.#spec, { reason, restartInMs });
    this.#restarts += 1;
    this.#restartTimer = setTimeout(() => this.#spawn(), restartInMs);
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left in the group, or this platform has none.
    child.kill('SIGKILL');
  }
}
