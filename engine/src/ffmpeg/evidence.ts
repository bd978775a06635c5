const LINES_MAX = 40;
const LINE_LENGTH_MAX = 400;
const EVIDENCE_LENGTH_MAX = 2000;
const PENDING_LENGTH_MAX = 16_384;

/** What a program says, by lines: the last ones are kept, whatever it says. */
export class LogLines {
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #isKept: (line: string) => boolean;
  #lines: string[] = [];
  #pending = '';
  #seen = 0;

  constructor(options: {
    readonly onLine?: ((line: string) => void) | undefined;
    readonly isKept?: (line: string) => boolean;
  }) {
    this.#onLine = options.onLine;
    this.#isKept = options.isKept ?? (() => true);
  }

  /** Lines that were worth keeping, kept or not. */
  get count(): number {
    return this.#seen;
  }

  write(text: string): void {
    const lines = (this.#pending + text).split(/\r?\n|\r/);
    this.#pending = (lines.pop() ?? '').slice(0, PENDING_LENGTH_MAX);
    for (const line of lines) this.#take(line);
  }

  end(): void {
    this.#take(this.#pending);
    this.#pending = '';
  }

  text(): string {
    return this.#lines.join('\n');
  }

  #take(line: string): void {
    if (line.trim() === '') return;
    this.#onLine?.(line);
    if (!this.#isKept(line)) return;
    this.#seen += 1;
    const short = line.slice(0, LINE_LENGTH_MAX);
    if (this.#lines.at(-1) === short) return;
    this.#lines.push(short);
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }
}

// Addresses of memory, of hosts and of files, and what signatures look like.
const POINTER = / @ 0x[0-9a-f]+/g;
const ADDRESS = /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s'"]+/gi;
const PATH = /(^|[\s'"=(,:[])\/(?:[^\s'":,)\]]+\/)*([^\s'":,)\]/]*)/g;
const SIGNATURE = /\b(sig|signature|token|key|secret|password|code)=[^\s&'"]+/gi;
const LEVEL = /\[(?:info|warning|error|fatal|panic|verbose)\] ?/g;

/** At most 2000 characters, the last ones, without paths, addresses and signatures: to be shown to whoever owns the job. */
export function cleanEvidence(text: string): string {
  return text
    .replace(POINTER, '')
    .replace(LEVEL, '')
    .replace(ADDRESS, '(address)')
    .replace(SIGNATURE, '$1=(secret)')
    .replace(PATH, '$1$2')
    .replace(/[^\P{Cc}\n]/gu, '')
    .trim()
    .slice(-EVIDENCE_LENGTH_MAX);
}
