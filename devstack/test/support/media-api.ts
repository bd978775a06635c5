import { type RawAnswer, rawRequest } from './raw-requests.ts';
import type { Stack } from './stack.ts';

const API_VERSION = 'api-version=2022-11-01';

/** The Media Services API of a running stack, without a client in between. */
export class MediaApi {
  readonly #stack: Stack;
  readonly #token: string;

  private constructor(stack: Stack, token: string) {
    this.#stack = stack;
    this.#token = token;
  }

  static async open(stack: Stack): Promise<MediaApi> {
    return new MediaApi(stack, await accessToken(stack));
  }

  /** `path` is below the account. */
  call(method: string, path: string, body?: unknown): Promise<RawAnswer> {
    const { armEndpoint, accountId, caPem } = this.#stack;
    return rawRequest(armEndpoint, `${accountId}/${path}?${API_VERSION}`, {
      ca: caPem,
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async make(path: string, properties: unknown): Promise<RawAnswer> {
    const answer = await this.call('PUT', path, { properties });
    if (answer.status > 201) throw new Error(`PUT ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }
}

async function accessToken(stack: Stack): Promise<string> {
  const { pathname } = new URL(stack.identityEndpoint);
  const query = `?api-version=2019-08-01&resource=${encodeURIComponent(stack.armEndpoint)}`;
  const answer = await rawRequest(stack.identityEndpoint, pathname + query, {
    headers: { 'x-identity-header': stack.identitySecret },
  });
  return answer.body.access_token;
}
