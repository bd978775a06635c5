import { parseJson } from './data-folder.ts';
import { LogFile } from './log-file.ts';
import { type Layout, type ProcessSpecs, processSpecs } from './processes.ts';
import { type ProcessObserver, type ProcessSpec, SupervisedProcess } from './supervised-process.ts';
import type { Voice } from './terminal.ts';

/** One line per process in this time reaches the terminal; all are in its log file. */
const ERROR_INTERVAL_MS = 5000;

/** All processes of the stack: started in waves, stopped in the opposite order. */
export class Stack {
  readonly #layout: Layout;
  readonly #voice: Voice;
  readonly #specs: ProcessSpecs;
  /** Each wave is stopped only when the later ones are gone. */
  readonly #waves: SupervisedProcess[][] = [];
  readonly #logs = new Map<string, LogFile>();
  readonly #lastErrorAtMs = new Map<string, number>();
  #stopped: Promise<void> | undefined;

  constructor(layout: Layout, voice: Voice) {
    this.#layout = layout;
    this.#voice = voice;
    this.#specs = processSpecs(layout);
  }

  /** Rejects with `StartFailed`; what was started by then is still to be stopped. */
  async start(): Promise<void> {
    const { azurite, broker, uploads, engine, origin, host, page, builder } = this.#specs;
    const storage = this.run(azurite);
    const events = this.run([broker, uploads]);
    const serving = storage.then(() =>
      Promise.all([
        this.run([engine]),
        this.run([origin]),
        this.run([host, page, ...(builder === undefined ? [] : [builder])]),
      ]),
    );
    await Promise.all([storage, events, serving]);
  }

  /** Starts processes that are stopped before everything that runs already. */
  async run(specs: readonly ProcessSpec[]): Promise<void> {
    if (this.#stopped !== undefined) throw new Error('the stack is being stopped');
    const wave = specs.map((spec) => new SupervisedProcess(spec, this.#observer()));
    this.#waves.push(wave);
    await Promise.all(wave.map((child) => child.start()));
  }

  pids(): Readonly<Record<string, number | undefined>> {
    return Object.fromEntries(this.#waves.flat().map((child) => [child.name, child.pid]));
  }

  /** Stops everything in order: what calls others before what is called; storage last. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Ends everything at once. */
  kill(): void {
    for (const child of this.#waves.flat()) child.kill();
  }

  async #stop(): Promise<void> {
    for (const wave of [...this.#waves].reverse()) await Promise.all(wave.map((child) => child.stop()));
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
  }

  #observer(): ProcessObserver {
    return {
      output: (spec, line) => {
        this.#log(spec.name).writeLine(line);
        this.#show(spec.name, line);
      },
      ready: (spec, { afterMs, restarts }) => {
        if (restarts > 0) this.#voice.say(`${spec.name} is back (${afterMs} ms)`);
      },
      exited: (spec, { reason, restartInMs }) => {
        const when = restartInMs === 0 ? 'now' : `in ${restartInMs / 1000} s`;
        this.#voice.warn(`${spec.name} ended (${reason}); starting it again ${when}`);
      },
    };
  }

  #log(name: string): LogFile {
    const open = this.#logs.get(name);
    if (open !== undefined) return open;
    const log = new LogFile(this.#layout.folder.file('logs', `${name}.log`));
    this.#logs.set(name, log);
    return log;
  }

  /** What a person wants to see of a log that is a file: a new version of the app, and errors. */
  #show(name: string, line: string): void {
    if (!line.startsWith('{')) return;
    if (line.includes('"app.reloaded"')) this.#showReload(parseJson(line));
    if (line.includes('"error"')) this.#showError(name, parseJson(line));
  }

  #showReload(entry: unknown): void {
    if (typeof entry !== 'object' || entry === null) return;
    if (!('event' in entry && entry.event === 'app.reloaded' && 'ms' in entry)) return;
    this.#voice.say(`the Functions app is loaded anew (${String(entry.ms)} ms)`);
  }

  #showError(name: string, entry: unknown): void {
    if (typeof entry !== 'object' || entry === null) return;
    if (!('level' in entry && entry.level === 'error' && 'event' in entry)) return;
    const message = 'message' in entry && typeof entry.message === 'string' ? `: ${entry.message}` : '';
    if (entry.event === 'app.notBuilt' || entry.event === 'app.notReloaded') {
      this.#voice.warn(`the Functions app was not loaded anew; the last one goes on${message}`);
      return;
    }
    const nowMs = Date.now();
    if (nowMs - (this.#lastErrorAtMs.get(name) ?? 0) < ERROR_INTERVAL_MS) return;
    this.#lastErrorAtMs.set(name, nowMs);
    this.#voice.warn(`${name}: ${String(entry.event)}${message} (see logs/${name}.log)`);
  }
}
