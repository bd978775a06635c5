import http from 'node:http';
import https from 'node:https';

export interface WebhookCall {
  readonly method: 'POST' | 'OPTIONS';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface WebhookAnswer {
  /** Undefined when there was none: refused, reset, timed out. */
  readonly status: number | undefined;
  readonly outcome: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface WebhookCaller {
  /** Never rejects. */
  call(endpointUrl: string, call: WebhookCall): Promise<WebhookAnswer>;
  close(): void;
}

const ANSWER_BYTES_MAX = 64 * 1024;
const SOCKETS_PER_ENDPOINT_MAX = 64;

/** Calls endpoints over connections that are kept open. */
export function openWebhookCaller(timeoutMs: number): WebhookCaller {
  const agentOptions = { keepAlive: true, maxSockets: SOCKETS_PER_ENDPOINT_MAX };
  const agents = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) };
  return {
    call: (endpointUrl, { method, headers, body }) =>
      new Promise((resolve) => {
        const url = new URL(endpointUrl);
        const isTls = url.protocol === 'https:';
        const request = (isTls ? https : http).request(url, {
          method,
          agent: isTls ? agents.https : agents.http,
          signal: AbortSignal.timeout(timeoutMs),
          headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        });
        const failed = (error: Error & { code?: string }) => {
          const outcome = error.name === 'AbortError' ? 'TimedOut' : (error.code ?? 'Failed');
          resolve({ status: undefined, outcome, headers: {}, body: '' });
        };
        request.on('error', failed);
        request.on('response', (response) => {
          const chunks: Buffer[] = [];
          let length = 0;
          response.on('data', (chunk: Buffer) => {
            length += chunk.length;
            if (length > ANSWER_BYTES_MAX) response.destroy(new Error('the answer is too long'));
            else chunks.push(chunk);
          });
          response.on('error', failed);
          response.on('end', () => {
            const status = response.statusCode ?? 0;
            const text = Buffer.concat(chunks).toString();
            resolve({ status, outcome: outcomeOf(status), headers: response.headers, body: text });
          });
        });
        request.end(body);
      }),
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function outcomeOf(status: number): string {
  if (status >= 200 && status <= 204) return 'Delivered';
  return http.STATUS_CODES[status]?.replaceAll(' ', '') ?? String(status);
}
