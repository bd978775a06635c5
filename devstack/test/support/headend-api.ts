/** The public HTTP API as a client uses it, with nothing but fetch. */
export class HeadendApi {
  readonly #baseUrl: string;
  readonly #key: string;

  constructor(baseUrl: string, key: string) {
    this.#baseUrl = baseUrl;
    this.#key = key;
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<ApiAnswer> {
    const response = await fetch(path.startsWith('http') ? path : `${this.#baseUrl}${path}`, {
      method,
      headers: {
        'x-functions-key': this.#key,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : (JSON.parse(text) as ApiBody), // the tests assert on what they read
    };
  }

  async expect(status: number, method: string, path: string, body?: unknown): Promise<ApiBody> {
    const answer = await this.call(method, path, body, { prefer: 'wait=10' });
    if (answer.status !== status) {
      throw new Error(
        `${method} ${path} answered ${answer.status}, not ${status}: ${JSON.stringify(answer.body)}`,
      );
    }
    return answer.body ?? {};
  }

  /** Polls until `isDone` is true of the answer; fails with the last answer after `timeoutMs`. */
  async until(path: string, isDone: (body: ApiBody) => boolean, timeoutMs = 30_000): Promise<ApiBody> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const { body } = await this.call('GET', path);
      if (body !== undefined && isDone(body)) return body;
      if (Date.now() > deadline)
        throw new Error(`${path} is still ${JSON.stringify(body)} after ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads any field of an answer and asserts on it
export type ApiBody = any;

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ApiBody | undefined;
}

/** The primary RTMP address with its key, from the answer of `/stream-key`; RTMPS comes before it. */
export function rtmpUrl(streamKey: ApiBody): string {
  const found = streamKey.servers.find(({ protocol }: { protocol: string }) => protocol === 'rtmp');
  if (found === undefined) throw new Error(`no RTMP server in ${JSON.stringify(streamKey)}`);
  return found.url;
}
