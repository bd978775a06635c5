import { createHttpHeaders, createPipelineRequest, RestError } from '@azure/core-rest-pipeline';
import type { MediaClient } from './media-client.ts';

/** The version in which the account and its extensions are called. */
const API_VERSION = '2021-11-01';

export interface RawAnswer {
  readonly status: number;
  readonly body: unknown;
  /** Where a long-running operation tells how it goes. */
  readonly operation: string | null;
}

/** Calls what the SDK has no method for, through its pipeline: its token, its retries, its errors. */
export async function callArm(
  { sdk }: MediaClient,
  method: 'GET' | 'POST' | 'PUT',
  { url, body }: { url: string; body?: object },
): Promise<RawAnswer> {
  const request = createPipelineRequest({
    url,
    method,
    headers: createHttpHeaders({ accept: 'application/json', 'content-type': 'application/json' }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const response = await sdk.sendRequest(request);
  const parsed = parse(response.bodyAsText ?? '');
  if (response.status >= 300) {
    const { code, message } = errorOf(parsed);
    throw new RestError(message, { code, statusCode: response.status });
  }
  const operation = response.headers.get('azure-asyncoperation') ?? null;
  return { status: response.status, body: parsed, operation };
}

export const accountUrl = (
  { sdk, resourceGroup, account }: MediaClient,
  path: string,
  version = API_VERSION,
): string =>
  `${sdk.$host}/subscriptions/${sdk.subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.Media/mediaservices/${account}${path}?api-version=${version}`;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined;

/** The error of an ARM answer or of an operation, in either case under `error`. */
export function errorOf(body: unknown): { code: string; message: string } {
  const error = field(body, 'error');
  const [code, message] = [field(error, 'code'), field(error, 'message')];
  return {
    code: typeof code === 'string' ? code.slice(0, 100) : 'unknown',
    message: typeof message === 'string' ? message.slice(0, 300) : 'The media service did not say why.',
  };
}

export const textField = (value: unknown, name: string): string | undefined => {
  const found = field(value, name);
  return typeof found === 'string' ? found : undefined;
};

export const numberField = (value: unknown, name: string): number | undefined => {
  const found = field(value, name);
  return typeof found === 'number' ? found : undefined;
};

export const objectField = (value: unknown, name: string): object | undefined => {
  const found = field(value, name);
  return typeof found === 'object' && found !== null ? found : undefined;
};

export const listField = (value: unknown, name: string): readonly unknown[] => {
  const found = field(value, name);
  return Array.isArray(found) ? found : [];
};
