import { createWriteStream, mkdirSync, openSync, renameSync, statSync, type WriteStream } from 'node:fs';
import path from 'node:path';

const SIZE_BYTES_MAX = 10 * 1024 * 1024;

/** A file that keeps the newest 10 to 20 MB: when it is full it becomes `<file>.1` and a new one begins. */
export class LogFile {
  readonly #file: string;
  readonly #sizeBytesMax: number;
  #sizeBytes: number;
  #output: WriteStream;

  constructor(file: string, sizeBytesMax = SIZE_BYTES_MAX) {
    this.#file = file;
    this.#sizeBytesMax = sizeBytesMax;
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    this.#sizeBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    this.#output = this.#open();
  }

  writeLine(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#sizeBytes + bytes.length > this.#sizeBytesMax) this.#rotate();
    this.#sizeBytes += bytes.length;
    this.#output.write(bytes);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#output.end(resolve));
  }

  #rotate(): void {
    this.#output.end();
    renameSync(this.#file, `${this.#file}.1`);
    this.#sizeBytes = 0;
    this.#output = this.#open();
  }

  #open(): WriteStream {
    const output = createWriteStream(this.#file, { fd: openSync(this.#file, 'a', 0o600) });
    // A full disk must not end the processes whose log this is.
    output.on('error', () => undefined);
    return output;
  }
}
