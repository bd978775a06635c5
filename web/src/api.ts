import type { Address } from './address.ts';
import { textAt } from './json.ts';

/** One look at everything that the page shows. */
export interface Snapshot {
  readonly channel: unknown;
  readonly program: unknown;
  readonly timeline: unknown;
}

/** What the API said no to, in a sentence for the reader. */
export class ApiProblem extends Error {
  readonly status: number;
  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ApiProblem';
    this.status = status;
  }
}

const CALL_WITHIN_MS = 8000;
const TIMELINE_ENTRIES = 30;

/** Asks for the channel, its program and its timeline; rejects with `ApiProblem`. */
export async function fetchSnapshot(apiBase: string, address: Address): Promise<Snapshot> {
  const channelUrl = `${apiBase}/channels/${encodeURIComponent(address.channel)}`;
  const [channel, program, timeline] = await Promise.all([
    get(channelUrl, address.key),
    get(`${channelUrl}/programs/${encodeURIComponent(address.program)}`, address.key),
    get(`${channelUrl}/timeline?limit=${TIMELINE_ENTRIES}`, address.key),
  ]);
  return { channel, program, timeline };
}

async function get(url: string, key: string): Promise<unknown> {
  const response = await fetch(url, {
    headers: { 'x-functions-key': key, accept: 'application/json' },
    cache: 'no-store',
    signal: AbortSignal.timeout(CALL_WITHIN_MS),
  }).catch((cause: unknown) => {
    throw new ApiProblem(0, `The API at ${new URL(url).origin} does not answer.`, { cause });
  });
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body;
  if (response.status === 401) {
    throw new ApiProblem(401, 'The API refused the key. Open the address that npm start printed last.');
  }
  const said = textAt(body, 'detail') ?? textAt(body, 'title') ?? 'no reason given';
  throw new ApiProblem(response.status, `The API answered ${response.status}: ${said}`);
}
