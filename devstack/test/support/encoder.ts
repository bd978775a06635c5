import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** FFmpeg as an encoder: pushes files in real time, each to its own RTMP address, without touching their samples. */
export class Encoder {
  readonly #process: ChildProcess;
  #stderr = '';

  constructor(pushes: readonly { readonly file: string; readonly url: string; readonly loop?: boolean }[]) {
    const inputs = pushes.flatMap(({ file, loop }) => [
      ...(loop === true ? ['-stream_loop', '-1'] : []),
      '-re',
      '-i',
      file,
    ]);
    const outputs = pushes.flatMap(({ url }, index) => [
      '-map',
      String(index),
      '-c',
      'copy',
      '-f',
      'flv',
      url,
    ]);
    this.#process = spawn('ffmpeg', ['-v', 'error', '-nostdin', ...inputs, ...outputs], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process.stderr?.on('data', (chunk) => {
      this.#stderr = `${this.#stderr}${chunk}`.slice(-4096);
    });
  }

  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error('the encoder did not start');
    return pid;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Resolves when the encoder ended by itself, with what it complained about. */
  async ended(): Promise<string> {
    if (this.isRunning) await once(this.#process, 'exit');
    return this.#stderr;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return;
    this.#process.kill(signal);
    await once(this.#process, 'exit');
  }
}
