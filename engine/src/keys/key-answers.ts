import { STATUS_CODES } from 'node:http';
import { KeyDeliveryError } from './key-delivery-error.ts';

export interface KeyAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array | string;
  /** Further headers, names and values in turns. */
  readonly more?: readonly string[];
}

const RETRY_AFTER_SECONDS = '1';
/** Heads that are kept: one for each page that players ask from. */
const HEADS_MAX = 200;
const SECOND_MS = 1_000;
const ORIGIN = /^(?:https?:\/\/[\w.:[\]-]{1,300}|null)$/;

/** Keys are nobody else's: no cache keeps an answer. */
const COMMON_HEADERS = [
  ...['Vary', 'Origin'],
  ...['Access-Control-Expose-Headers', 'Retry-After, WWW-Authenticate'],
  ...['Cross-Origin-Resource-Policy', 'cross-origin'],
  ...['Cache-Control', 'no-store'],
  ...['X-Content-Type-Options', 'nosniff'],
];

/**
 * Of every answer. Any page may ask with its token. A page that sends an `Authorization` header by dash.js asks in
 * credentials mode, for which `*` is not enough (Fetch §3.3.5); there are no cookies here that it could use.
 */
export function commonHeaders(origin: string | undefined): string[] {
  return origin === undefined || !ORIGIN.test(origin)
    ? [...COMMON_HEADERS, 'Access-Control-Allow-Origin', '*']
    : [
        ...COMMON_HEADERS,
        ...['Access-Control-Allow-Origin', origin, 'Access-Control-Allow-Credentials', 'true'],
      ];
}

/** Names and values in turns, as node:http takes them without looking at each. */
export function headersOf({ contentType, body, more = [] }: KeyAnswer, origin: string | undefined): string[] {
  const length = String(Buffer.byteLength(body));
  return [...commonHeaders(origin), 'Content-Type', contentType, 'Content-Length', length, ...more];
}

/** What a caller is told of an error. */
export function problemAnswer(error: unknown): KeyAnswer {
  const problem = error instanceof KeyDeliveryError ? error : new KeyDeliveryError('InternalError', 'error');
  const { code, message, status } = problem;
  return {
    status,
    contentType: 'application/json; charset=utf-8',
    body: JSON.stringify({ error: { code, message } }),
    more: PROBLEM_HEADERS[status] ?? [],
  };
}

const PROBLEM_HEADERS: Readonly<Record<number, readonly string[]>> = {
  // RFC 6750 §3; which fault a token has is nobody's business, so there is no `error`.
  401: ['WWW-Authenticate', 'Bearer realm="key delivery"'],
  405: ['Allow', 'GET, POST, OPTIONS'],
  503: ['Retry-After', RETRY_AFTER_SECONDS],
};

/**
 * Answers as the bytes that go over a connection that stays open, in one piece and as node:http would write them. All
 * keys have the same head but for the page that asks, so it is made once a second.
 */
export class AnswerWriter {
  readonly #keepAlive: string;
  readonly #nowMs: () => number;
  readonly #heads = new Map<string, Buffer>();
  #second = Number.NaN;
  #date = '';

  constructor({ keepAliveMs, nowMs }: { readonly keepAliveMs: number; readonly nowMs: () => number }) {
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / SECOND_MS)}\r\n\r\n`;
    this.#nowMs = nowMs;
  }

  write(answer: KeyAnswer, origin: string | undefined): Buffer {
    const second = Math.floor(this.#nowMs() / SECOND_MS);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = new Date(second * SECOND_MS).toUTCString();
      this.#heads.clear();
    }
    const { body } = answer;
    const head = this.#headOf(answer, origin);
    if (typeof body === 'string') return Buffer.concat([head, Buffer.from(body)]);
    const bytes = Buffer.allocUnsafe(head.byteLength + body.byteLength);
    bytes.set(head);
    bytes.set(body, head.byteLength);
    return bytes;
  }

  #headOf(answer: KeyAnswer, origin: string | undefined): Buffer {
    const { status, contentType, body, more } = answer;
    if (more !== undefined) return this.#makeHead(answer, origin);
    const key = `${status} ${body.length} ${contentType} ${origin}`;
    const known = this.#heads.get(key);
    if (known !== undefined) return known;
    const head = this.#makeHead(answer, origin);
    if (this.#heads.size < HEADS_MAX) this.#heads.set(key, head);
    return head;
  }

  #makeHead(answer: KeyAnswer, origin: string | undefined): Buffer {
    const headers = headersOf(answer, origin);
    let text = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}\r\n`;
    for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`;
    return Buffer.from(`${text}Date: ${this.#date}\r\n${this.#keepAlive}`, 'latin1');
  }
}
