import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ApiBody, rtmpUrl } from './headend-api.ts';
import { MediaApi } from './media-api.ts';
import type { Stack } from './stack.ts';

const ENGINE = fileURLToPath(new URL('../../../engine/dist/engine.mjs', import.meta.url));
const PAGES_MAX = 100;

export interface ShowEncoder {
  readonly pid: number;
  /** What it wrote on stderr: one JSON line per connection made and lost. */
  log(): string;
  stop(): Promise<void>;
}

/** Our publisher as a process that loops a file in real time and connects again whenever it is dropped. */
export function startReconnectingEncoder(url: string, file: string): ShowEncoder {
  const child: ChildProcess = spawn(
    process.execPath,
    [ENGINE, 'publish', '--loop', '--reconnect', '--url', url, '--file', file],
    { stdio: ['pipe', 'ignore', 'pipe'] },
  );
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-64 * 1024);
  });
  return {
    pid: child.pid ?? 0,
    log: () => text,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

export interface Show {
  readonly channel: string;
  readonly program: string;
  readonly hls: string;
  /** Where an encoder publishes to. */
  readonly ingestUrl: string;
}

/** A running channel with one program that waits for its encoder. */
export async function prepareShow({ api }: Stack, channel: string): Promise<Show> {
  await api.expect(201, 'PUT', `/channels/${channel}`, {});
  const program = await api.expect(201, 'PUT', `/channels/${channel}/programs/show`, {});
  await api.expect(200, 'POST', `/channels/${channel}/start`);
  const key = await api.expect(200, 'GET', `/channels/${channel}/stream-key`);
  return {
    ...{ channel, program: 'show', hls: program.playback.hls },
    ingestUrl: `${rtmpUrl(key)}/main`,
  };
}

export async function finishShow({ api }: Stack, { channel, program }: Show): Promise<void> {
  const path = `/channels/${channel}/programs/${program}`;
  await api.expect(200, 'POST', `${path}/finish`);
  await api.until(path, (body) => body.state === 'finished', 60_000);
}

/** How often viewers were let in, by the timeline's telling. */
export async function countPublishings({ api }: Stack, { channel, program }: Show): Promise<number> {
  let count = 0;
  let next: string | undefined = `/channels/${channel}/timeline?limit=100`;
  for (let page = 0; next !== undefined && page < PAGES_MAX; page += 1) {
    const body: ApiBody = await api.expect(200, 'GET', next);
    count += body.items.filter(
      (entry: ApiBody) => entry.type === 'Published' && entry.program === program,
    ).length;
    next = body.next;
  }
  return count;
}

/** The media API's streaming locators whose playback address is the show's. */
export async function countLocators(stack: Stack, { hls }: Show): Promise<number> {
  const locators = await (await MediaApi.open(stack)).call('GET', 'streamingLocators');
  const ours = locators.body.value.find((locator: ApiBody) =>
    hls.includes(locator.properties.streamingLocatorId),
  );
  if (ours === undefined) return 0;
  const { assetName } = ours.properties;
  return locators.body.value.filter((locator: ApiBody) => locator.properties.assetName === assetName).length;
}
