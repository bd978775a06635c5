import type { Socket } from 'node:net';
import { type PlainGet, readPlainGet } from './plain-get.ts';

export interface QuickConnectionDeps {
  /** Of a connection that has not asked for anything. */
  readonly firstRequestMs: number;
  readonly keepAliveMs: number;
  /** The whole answer; never rejects. */
  readonly answer: (request: PlainGet, peer: string | undefined) => Buffer | Promise<Buffer>;
  /** Takes the connection over, with `rest` before what comes next. */
  readonly handOver: (socket: Socket, rest: Buffer) => void;
  /** It is closed, or somebody else's. */
  readonly onGone: (connection: QuickConnection) => void;
}

/**
 * A connection on which keys are asked for by plain GETs, each answered by one write: of the time that a key takes,
 * node:http needs more than all the rest. With the first request of another form, or in more than one piece, the
 * connection becomes node:http's, and stays it.
 */
export class QuickConnection {
  readonly #socket: Socket;
  readonly #deps: QuickConnectionDeps;
  #hasAsked = false;
  /** An answer is being made, or waits for a reader. */
  #isBusy = false;
  #isClosing = false;

  constructor(socket: Socket, deps: QuickConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    socket.setTimeout(deps.firstRequestMs);
    socket
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#onBroken)
      .on('timeout', this.#onBroken)
      .on('close', this.#onClose);
  }

  /** As soon as what was asked is answered; the next request, if one is on its way, is node:http's to refuse. */
  close(): void {
    this.#isClosing = true;
    if (!this.#isBusy) this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  /** As node:http has it: whoever says no more is not waited for. */
  readonly #onEnd = (): void => {
    this.#socket.end();
  };
  readonly #onBroken = (): void => {
    this.#socket.destroy();
  };
  readonly #onClose = (): void => this.#deps.onGone(this);

  /** Answers in order what is in the chunk; while one answer waits, nothing is read. */
  #take(chunk: Buffer): void {
    const text = chunk.toString('latin1');
    let at = 0;
    while (at < chunk.byteLength) {
      const request = this.#isClosing ? undefined : readPlainGet(text, at);
      if (request === undefined) {
        this.#leave(chunk.subarray(at));
        return;
      }
      this.#asked();
      at = request.end;
      const answer = this.#deps.answer(request, this.#socket.remoteAddress);
      if (answer instanceof Promise) {
        this.#wait(chunk.subarray(at), answer);
        return;
      }
      if (!this.#socket.write(answer)) {
        this.#waitForReader(chunk.subarray(at));
        return;
      }
    }
  }

  #asked(): void {
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    this.#socket.setTimeout(this.#deps.keepAliveMs);
  }

  #wait(rest: Buffer, answer: Promise<Buffer>): void {
    this.#isBusy = true;
    this.#socket.pause();
    void answer.then((bytes) => {
      if (!this.#socket.writable) return;
      if (this.#socket.write(bytes)) this.#goOn(rest);
      else this.#waitForReader(rest);
    });
  }

  #waitForReader(rest: Buffer): void {
    this.#isBusy = true;
    this.#socket.pause();
    this.#socket.once('drain', () => this.#goOn(rest));
  }

  #goOn(rest: Buffer): void {
    if (!this.#socket.writable) return;
    this.#isBusy = false;
    if (this.#isClosing && rest.byteLength === 0) {
      this.#socket.destroySoon();
      return;
    }
    this.#socket.resume();
    this.#take(rest);
  }

  #leave(rest: Buffer): void {
    const socket = this.#socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onBroken)
      .off('timeout', this.#onBroken)
      .off('close', this.#onClose)
      .setTimeout(0);
    this.#deps.onGone(this);
    this.#deps.handOver(socket, rest);
  }
}
