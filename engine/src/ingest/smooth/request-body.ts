import type { IncomingMessage } from 'node:http';

/** How much of a body waits to be taken before no more is read, and in how many pieces. */
const WAITING_BYTES_MAX = 256 * 1024;
const WAITING_CHUNKS_MAX = 1024;

/**
 * The body of a request, piece by piece, also what arrived before the connection was lost: a request that is read as a
 * stream drops that, and with it the last fragment of an encoder that sends it and is gone.
 */
export class RequestBody {
  readonly #request: IncomingMessage;
  readonly #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #state: 'open' | 'whole' | 'lost' = 'open';
  #wake: () => void = () => undefined;

  constructor(request: IncomingMessage) {
    this.#request = request;
    request.on('data', (chunk: Uint8Array) => this.#add(chunk));
    request.on('end', () => this.#settle('whole'));
    // What it was is told by whether the body came whole.
    request.on('error', () => undefined);
    request.on('close', () => this.#settle('lost'));
  }

  /** Whether `next` will say that the body is whole, rather than lost. */
  get isWhole(): boolean {
    return this.#state === 'whole';
  }

  /** Undefined when nothing more comes. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && this.#state === 'open') {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunk = this.#chunks.shift();
    this.#waitingBytes -= chunk?.length ?? 0;
    if (this.#request.isPaused() && !this.#isFull()) this.#request.resume();
    return chunk;
  }

  #add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#isFull()) this.#request.pause();
    this.#wake();
  }

  #isFull(): boolean {
    return this.#waitingBytes >= WAITING_BYTES_MAX || this.#chunks.length >= WAITING_CHUNKS_MAX;
  }

  #settle(state: 'whole' | 'lost'): void {
    if (this.#state === 'open') this.#state = state;
    this.#wake();
  }
}
