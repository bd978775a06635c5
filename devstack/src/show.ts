import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from './data-folder.ts';

export interface ApiAccess {
  /** `http://127.0.0.1:7071/api/v1` */
  readonly base: string;
  readonly functionKey: string;
}

export interface Show {
  readonly channel: string;
  readonly program: string;
  /** What an encoder calls "server": the address without the last part, which is free to choose. */
  readonly server: string;
  readonly hls: string;
  readonly dash: string;
}

const CALL_WITHIN_MS = 15_000;
const STARTED_WITHIN_MS = 30_000;
const POLL_MS = 250;
/** The API may answer 503 while the host's worker loads. */
const BUSY_ATTEMPTS_MAX = 40;
const PROGRAMS_MAX = 1000;

const Operation = z.object({ id: z.string(), status: z.string(), error: z.unknown().optional() });
const Program = z.object({
  state: z.string(),
  playback: z.object({ hls: z.string(), dash: z.string() }),
});
const StreamKey = z.object({ servers: z.array(z.object({ protocol: z.string(), url: z.string() })).min(1) });

/** Creates and starts the channel and gives it a program that records, by the public HTTP API; all of it idempotent. */
export async function prepareShow(api: ApiAccess, channel: string): Promise<Show> {
  const at = `/channels/${channel}`;
  await call(api, 'PUT', at, {});
  await start(api, at);
  const { name, program } = await putProgram(api, at);
  const key = StreamKey.parse(await call(api, 'GET', `${at}/stream-key`));
  // The demo publisher and the printed address need no certificate.
  const server = key.servers.find(({ protocol }) => protocol === 'rtmp') ?? key.servers[0];
  return { channel, program: name, server: server?.url ?? '', ...program.playback };
}

async function start(api: ApiAccess, at: string): Promise<void> {
  const deadlineMs = Date.now() + STARTED_WITHIN_MS;
  let operation = Operation.parse(await call(api, 'POST', `${at}/start`));
  while (operation.status !== 'Succeeded') {
    if (operation.status === 'Failed' || operation.status === 'Canceled') {
      throw new Error(`the channel could not be started: ${JSON.stringify(operation.error)}`);
    }
    if (Date.now() > deadlineMs) throw new Error(`the channel did not start in ${STARTED_WITHIN_MS} ms`);
    await delay(POLL_MS);
    operation = Operation.parse(await call(api, 'GET', `/operations/${operation.id}`));
  }
}

/** A program that is finished stays what it is; the next start of the stack gets a new one beside it. */
async function putProgram(
  api: ApiAccess,
  at: string,
): Promise<{ name: string; program: z.infer<typeof Program> }> {
  for (let take = 1; take <= PROGRAMS_MAX; take += 1) {
    const name = take === 1 ? 'show' : `show-${take}`;
    const program = Program.parse(await call(api, 'PUT', `${at}/programs/${name}`, {}));
    if (program.state !== 'finished' && program.state !== 'finishing') return { name, program };
  }
  throw new Error(`${at} has ${PROGRAMS_MAX} finished programs; delete some or use --fresh`);
}

async function call(api: ApiAccess, method: string, path: string, body?: object): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(`${api.base}${path}`, {
      method,
      headers: {
        'x-functions-key': api.functionKey,
        prefer: 'wait=10',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_WITHIN_MS),
    });
    const text = await response.text();
    if (response.ok) return parseJson(text);
    const mayRetry = response.status === 429 || response.status === 503;
    if (!mayRetry || attempt === BUSY_ATTEMPTS_MAX) {
      throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    }
    await delay(POLL_MS);
  }
}
