import { numberAt, textAt } from './json.ts';

/** What the API said no to, in a sentence for the reader. */
export class ApiProblem extends Error {
  readonly status: number;
  /** The stable code of the problem document, empty when there was none. */
  readonly code: string;
  constructor(problem: { status: number; code: string; message: string }, options?: ErrorOptions) {
    super(problem.message, options);
    this.name = 'ApiProblem';
    this.status = problem.status;
    this.code = problem.code;
  }
}

export interface OperationProgress {
  readonly step: string;
  readonly percentComplete: number;
}

/** The public HTTP API, with the caller's key. Every call rejects with `ApiProblem`. */
export interface Api {
  get(path: string): Promise<unknown>;
  /** Undefined where there is no such resource. */
  find(path: string): Promise<unknown>;
  put(path: string, body: object): Promise<unknown>;
  post(path: string, body: object): Promise<unknown>;
  /** A file, whatever is in it. */
  download(url: string): Promise<Blob>;
  /** Resolves when it has been asked for; what is deleted shows how far it is. */
  remove(path: string): Promise<void>;
  /** Calls a verb and follows its operation to the end. */
  run(
    path: string,
    body: object | undefined,
    onProgress: (progress: OperationProgress) => void,
  ): Promise<void>;
}

const CALL_WITHIN_MS = 15_000;
const OPERATION_POLL_MS = 500;
/** Two minutes: longer than any verb of a channel takes; after that the page shows what becomes of it anyway. */
const OPERATION_POLLS_MAX = 240;

export function createApi(apiBase: string, key: string): Api {
  const get = async (path: string) => (await call(apiBase + path, { key })).body;
  return {
    get,
    find: (path) =>
      get(path).catch((error: unknown) => {
        if (error instanceof ApiProblem && error.status === 404) return undefined;
        throw error;
      }),
    put: async (path, body) => (await call(apiBase + path, { key, method: 'PUT', body })).body,
    post: async (path, body) => (await call(apiBase + path, { key, method: 'POST', body })).body,
    download: async (url) => (await send(new URL(url, apiBase).href, { key, accept: '*/*' })).blob(),
    remove: async (path) => {
      await call(apiBase + path, { key, method: 'DELETE' });
    },
    run: async (path, body, onProgress) => {
      const answer = await call(apiBase + path, { key, method: 'POST', body: body ?? {} });
      const location = answer.headers.get('operation-location');
      let operation = answer.body;
      for (let polls = 0; polls < OPERATION_POLLS_MAX; polls += 1) {
        if (isOver(operation)) return;
        onProgress({
          step: textAt(operation, 'step') ?? '',
          percentComplete: numberAt(operation, 'percentComplete') ?? 0,
        });
        if (location === null) return;
        await new Promise((resolve) => setTimeout(resolve, OPERATION_POLL_MS));
        operation = (await call(new URL(location, apiBase).href, { key })).body;
      }
      throw new ApiProblem({ status: 0, code: 'stillRunning', message: 'It takes longer than two minutes.' });
    },
  };
}

function isOver(operation: unknown): boolean {
  const status = textAt(operation, 'status');
  if (status === 'Failed' || status === 'Canceled') {
    throw new ApiProblem({
      status: 0,
      code: textAt(operation, 'error', 'code') ?? 'failed',
      message: textAt(operation, 'error', 'message') ?? `The operation ended as ${status}.`,
    });
  }
  return status === undefined || status === 'Succeeded';
}

interface Call {
  readonly key: string;
  readonly method?: 'PUT' | 'POST' | 'DELETE';
  readonly body?: object;
  readonly accept?: string;
}

async function call(url: string, how: Call) {
  const response = await send(url, how);
  const body: unknown = await response.json().catch(() => undefined);
  return { body, headers: response.headers };
}

async function send(
  url: string,
  { key, method = undefined, body, accept = 'application/json' }: Call,
): Promise<Response> {
  const response = await fetch(url, {
    method: method ?? 'GET',
    headers: {
      'x-functions-key': key,
      accept,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    cache: 'no-store',
    signal: AbortSignal.timeout(CALL_WITHIN_MS),
  }).catch((cause: unknown) => {
    const message = `The API at ${new URL(url).origin} does not answer.`;
    throw new ApiProblem({ status: 0, code: 'unreachable', message }, { cause });
  });
  if (response.ok) return response;
  const answer: unknown = await response.json().catch(() => undefined);
  throw new ApiProblem({
    status: response.status,
    code: textAt(answer, 'code') ?? '',
    message: response.status === 401 ? KEY_REFUSED : sentence(response.status, answer),
  });
}

const KEY_REFUSED = 'The API refused the key. Open the address that npm start printed last.';

function sentence(status: number, answer: unknown): string {
  const said = textAt(answer, 'detail') ?? textAt(answer, 'title') ?? 'no reason given';
  return `The API answered ${status}: ${said}`;
}
