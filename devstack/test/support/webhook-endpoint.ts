import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';

export interface Delivered {
  readonly headers: IncomingHttpHeaders;
  /** As it was sent: an array or, for one CloudEvent, an object. */
  readonly body: unknown;
  readonly events: readonly Readonly<Record<string, unknown>>[];
  readonly at: number;
}

/** An endpoint of event subscriptions that proves what the test says, records, and answers what the test says. */
export class Endpoint {
  readonly delivered: Delivered[] = [];
  /** The last one that it was sent to prove itself by hand. */
  validationUrl: string | undefined;
  readonly unsubscribed: string[] = [];
  /** Undefined: never answers. */
  answer: (delivered: Delivered) => number | undefined = () => 202;
  validation: 'echo' | 'wrong' | 'silent' = 'echo';
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        if (request.method === 'OPTIONS') this.#allow(request.headers, response);
        else this.#receive(request.headers, JSON.parse(text), response);
      });
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/hook?code=secret`;
  }

  ids(): unknown[] {
    return this.delivered.flatMap(({ events }) => events.map(({ id }) => id));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #allow(headers: IncomingHttpHeaders, response: ServerResponse): void {
    this.validationUrl = String(headers['webhook-request-callback']);
    const origins = {
      echo: headers['webhook-request-origin'],
      wrong: 'elsewhere.example',
      silent: undefined,
    };
    const origin = origins[this.validation];
    response.writeHead(200, origin === undefined ? {} : { 'webhook-allowed-origin': origin }).end();
  }

  #receive(headers: IncomingHttpHeaders, body: unknown, response: ServerResponse): void {
    const events = Array.isArray(body) ? body : [body];
    const type = headers['aeg-event-type'];
    if (type === 'SubscriptionValidation') {
      const { validationCode, validationUrl } = events[0].data;
      this.validationUrl = validationUrl;
      const code = this.validation === 'echo' ? validationCode : 'wrong';
      response.end(this.validation === 'silent' ? '' : JSON.stringify({ validationResponse: code }));
      return;
    }
    if (type === 'Unsubscribe') {
      this.unsubscribed.push(events[0].data.eventSubscriptionId);
      response.writeHead(202).end();
      return;
    }
    const delivered = { headers, body, events, at: performance.now() };
    this.delivered.push(delivered);
    const status = this.answer(delivered);
    if (status !== undefined) response.writeHead(status).end();
  }
}
