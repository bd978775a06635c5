import { request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from './data-folder.ts';

export interface EngineAccess {
  /** `https://127.0.0.1:8443` */
  readonly armEndpoint: string;
  readonly accountId: string;
  readonly location: string;
  /** As in IDENTITY_ENDPOINT. */
  readonly identityEndpoint: string;
  readonly identitySecret: string;
  readonly caPem: string;
}

const API_VERSION = '2022-08-01';
const RUNNING_WITHIN_MS = 20_000;
const POLL_MS = 100;
const ANSWER_WITHIN_MS = 10_000;
const ANSWER_BYTES_MAX = 1024 * 1024;

const Token = z.object({ access_token: z.string().min(1) });
const StreamingEndpoint = z.object({ properties: z.object({ resourceState: z.string() }) });

/** Makes sure that the account's `default` streaming endpoint runs, by the public Media Services API. */
export async function startDefaultStreamingEndpoint(access: EngineAccess): Promise<void> {
  const token = await fetchToken(access);
  const url = `${access.armEndpoint}${access.accountId}/streamingEndpoints/default`;
  const arm = (method: string, action = '', body?: object) =>
    call({ method, url: `${url}${action}?api-version=${API_VERSION}`, token, body, caPem: access.caPem });
  const deadlineMs = Date.now() + RUNNING_WITHIN_MS;
  let last = 'no answer';
  while (Date.now() < deadlineMs) {
    const found = await arm('GET');
    if (found.status === 404) {
      await arm('PUT', '', { location: access.location, properties: { scaleUnits: 0 } });
    } else {
      const state = StreamingEndpoint.parse(found.body).properties.resourceState;
      if (state === 'Running') return;
      if (state === 'Stopped') await arm('POST', '/start');
      last = state;
    }
    await delay(POLL_MS);
  }
  throw new Error(`the default streaming endpoint is still "${last}" after ${RUNNING_WITHIN_MS} ms`);
}

async function fetchToken(access: EngineAccess): Promise<string> {
  const url = new URL(access.identityEndpoint);
  url.searchParams.set('api-version', '2019-08-01');
  url.searchParams.set('resource', 'https://management.core.windows.net/');
  const response = await fetch(url, {
    headers: { 'x-identity-header': access.identitySecret },
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  if (!response.ok) throw new Error(`the token issuer answered ${response.status}`);
  return Token.parse(await response.json()).access_token;
}

interface ArmCall {
  readonly method: string;
  readonly url: string;
  readonly token: string;
  readonly body: object | undefined;
  readonly caPem: string;
}

/** Node's fetch takes no certificates, hence node:https. */
async function call({
  method,
  url,
  token,
  body,
  caPem,
}: ArmCall): Promise<{ status: number; body: unknown }> {
  return await new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method,
        ca: caPem,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? { 'content-length': 0 } : { 'content-type': 'application/json' }),
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > ANSWER_BYTES_MAX) response.destroy(new Error('the answer is too long'));
        });
        response.once('error', reject);
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body: parseJson(text) }));
      },
    );
    sent.once('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
