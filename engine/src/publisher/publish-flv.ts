import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { FlvTag } from '../formats/flv-file.ts';
import { RtmpClientConnection } from '../protocols/rtmp/client-connection.ts';
import { MESSAGE_TYPE } from '../protocols/rtmp/message.ts';
import { RtmpError } from '../protocols/rtmp/rtmp-error.ts';
import { type FlvLoop, isKeyFrame, readFlvLoop } from './flv-loop.ts';

/** What stands for a port that is not in the address. */
const DEFAULT_PORTS = { 'rtmp:': 1935, 'rtmps:': 443 } as const;
const CONNECT_TIMEOUT_MS = 10_000;
const SEND_TIMEOUT_MS = 20_000;
const RETRY_DELAY_MS = { first: 500, max: 5_000 } as const;
const SLEEP_MS_MIN = 2;
const MESSAGE_TYPES = {
  audio: MESSAGE_TYPE.audio,
  video: MESSAGE_TYPE.video,
  script: MESSAGE_TYPE.dataAmf0,
} as const;

export interface PublishFlvOptions {
  /** `rtmp[s]://host[:port]/live/{token}/{name}` */
  readonly url: string;
  readonly file: string;
  readonly loop: boolean;
  readonly seconds?: number;
  /** Keep trying when the server goes away or refuses; otherwise the first failure rejects. */
  readonly reconnect?: boolean;
  readonly signal: AbortSignal;
  readonly log: { info(event: string, fields?: object): void; warn(event: string, fields?: object): void };
  onPublishing?(): void;
}

export interface PublishFlvResult {
  readonly tagsSent: number;
  readonly connections: number;
}

/** Publishes an FLV file in real time until its end, `seconds`, or abort. Rejects with `RtmpError`, or a socket's error. */
export async function publishFlv(options: PublishFlvOptions): Promise<PublishFlvResult> {
  const loop = await readFlvLoop(options.file);
  const run = { tagsSent: 0, connections: 0, startedAtMs: performance.now() };
  let delayMs: number = RETRY_DELAY_MS.first;
  while (!options.signal.aborted) {
    const sentBefore = run.tagsSent;
    try {
      await publishOnce(options, loop, run);
      break;
    } catch (error) {
      if (options.signal.aborted) break;
      if (options.reconnect !== true) throw error;
      options.log.warn('publisher.disconnected', { error });
    }
    delayMs = run.tagsSent > sentBefore ? RETRY_DELAY_MS.first : Math.min(delayMs * 2, RETRY_DELAY_MS.max);
    await sleep(delayMs, undefined, { signal: options.signal }).catch(() => undefined);
  }
  return { tagsSent: run.tagsSent, connections: run.connections };
}

interface Run {
  tagsSent: number;
  connections: number;
  /** When the first tag was due; the timeline goes on through reconnects. */
  startedAtMs: number;
}

async function publishOnce(options: PublishFlvOptions, loop: FlvLoop, run: Run): Promise<void> {
  const target = parseTarget(options.url);
  const { socket, connected } = openSocket(target);
  const failure = new AbortController();
  socket.on('error', (error) => failure.abort(error));
  socket.on('close', () =>
    failure.abort(new RtmpError('ConnectionClosed', 'the server closed the connection')),
  );
  const stop = (): void => failure.abort(options.signal.reason);
  options.signal.addEventListener('abort', stop, { once: true });
  const client = new RtmpClientConnection({
    ...target,
    send: (bytes) => void socket.write(bytes),
    handshakeSource: () => ({ timeMs: 0, random: randomBytes }),
  });
  try {
    await beginPublishing(client, { socket, connected }, failure);
    if (run.connections === 0) run.startedAtMs = performance.now();
    run.connections += 1;
    options.log.info('publisher.publishing', { host: target.host, port: target.port });
    options.onPublishing?.();
    await sendInRealTime({ client, socket, signal: failure.signal }, options, { loop, run });
  } finally {
    options.signal.removeEventListener('abort', stop);
    if (!socket.destroyed) await leave(client, socket);
  }
}

async function beginPublishing(
  client: RtmpClientConnection,
  { socket, connected }: OpenSocket,
  failure: AbortController,
): Promise<void> {
  const begun = new Promise<void>((resolve, reject) => {
    failure.signal.addEventListener('abort', () => reject(failure.signal.reason), { once: true });
    socket.on('data', (bytes) => {
      try {
        client.receive(bytes);
        if (client.isPublishing()) resolve();
      } catch (error) {
        failure.abort(error);
      }
    });
  });
  const timeout = setTimeout(
    () => failure.abort(new RtmpError('ConnectionClosed', 'no answer from the server')),
    CONNECT_TIMEOUT_MS,
  );
  socket.once(connected, () => client.start());
  try {
    await begun;
  } finally {
    clearTimeout(timeout);
  }
}

interface Sender {
  readonly client: RtmpClientConnection;
  readonly socket: Socket;
  readonly signal: AbortSignal;
}

async function sendInRealTime(
  sender: Sender,
  options: PublishFlvOptions,
  { loop, run }: { readonly loop: FlvLoop; readonly run: Run },
): Promise<void> {
  const firstMs = loop.media[0]?.timestampMs ?? 0;
  const endMs = options.seconds === undefined ? Number.POSITIVE_INFINITY : options.seconds * 1000;
  const elapsedMs = (): number => performance.now() - run.startedAtMs;
  let index = resumeIndex(loop, run.connections > 1 ? elapsedMs() : 0);
  const begins = tagAt(loop, index);
  for (const tag of loop.headers) send(sender, tag, begins.timestampMs);
  for (; options.loop || index < loop.media.length; index += 1) {
    const { tag, timestampMs } = tagAt(loop, index);
    const dueMs = timestampMs - firstMs;
    if (dueMs >= endMs) return;
    const waitMs = dueMs - elapsedMs();
    if (waitMs > SLEEP_MS_MIN) await sleep(waitMs, undefined, { signal: sender.signal });
    sender.signal.throwIfAborted();
    if (!send(sender, tag, timestampMs)) {
      await once(sender.socket, 'drain', {
        signal: AbortSignal.any([sender.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]),
      });
    }
    run.tagsSent += 1;
  }
}

function send(sender: Sender, tag: FlvTag, timestampMs: number): boolean {
  sender.client.writeMedia({
    typeId: MESSAGE_TYPES[tag.type],
    timestampMs: timestampMs % 2 ** 32,
    payload: tag.body,
  });
  return !sender.socket.writableNeedDrain;
}

/** The tag number `index` of the endless loop, with the time it has there. */
function tagAt(loop: FlvLoop, index: number): { readonly tag: FlvTag; readonly timestampMs: number } {
  const round = Math.floor(index / loop.media.length);
  const tag = loop.media[index - round * loop.media.length];
  if (tag === undefined) throw new RangeError(`no tag ${index}`);
  return { tag, timestampMs: tag.timestampMs + round * loop.periodMs };
}

/** After a break: the first key frame that is not yet due, so that the timeline stays real time. */
function resumeIndex(loop: FlvLoop, elapsedMs: number): number {
  if (elapsedMs <= 0) return 0;
  const firstMs = loop.media[0]?.timestampMs ?? 0;
  const start = Math.floor(elapsedMs / loop.periodMs) * loop.media.length;
  const hasVideo = loop.media.some(isKeyFrame);
  for (let index = start; index < start + 2 * loop.media.length; index += 1) {
    const { tag, timestampMs } = tagAt(loop, index);
    if (timestampMs - firstMs >= elapsedMs && (isKeyFrame(tag) || !hasVideo)) return index;
  }
  return start + loop.media.length;
}

async function leave(client: RtmpClientConnection, socket: Socket): Promise<void> {
  client.stop();
  socket.end();
  const closed = socket.closed
    ? Promise.resolve()
    : once(socket, 'close', { signal: AbortSignal.timeout(1000) });
  await closed.catch(() => socket.destroy());
}

interface OpenSocket {
  readonly socket: Socket;
  /** The event after which bytes may be written. */
  readonly connected: 'connect' | 'secureConnect';
}

/** Certificates are verified; `NODE_EXTRA_CA_CERTS` names those of a private authority. */
function openSocket({ scheme, host, port }: Target): OpenSocket {
  if (scheme === 'rtmp:') return { socket: connect({ host, port, noDelay: true }), connected: 'connect' };
  // An IP address has no place in the server name indication.
  const servername = isIP(host) === 0 ? host : '';
  return { socket: connectTls({ host, port, servername }), connected: 'secureConnect' };
}

interface Target {
  readonly scheme: keyof typeof DEFAULT_PORTS;
  readonly host: string;
  readonly port: number;
  readonly tcUrl: string;
  readonly app: string;
  readonly publishingName: string;
}

function parseTarget(url: string): Target {
  const { protocol, hostname, port: givenPort, pathname, search } = new URL(url);
  const parts = pathname.split('/').filter((part) => part !== '');
  const name = parts.pop();
  if ((protocol !== 'rtmp:' && protocol !== 'rtmps:') || name === undefined || parts.length === 0) {
    throw new TypeError('the URL must be rtmp[s]://host[:port]/app/name');
  }
  const app = parts.join('/');
  const port = givenPort === '' ? DEFAULT_PORTS[protocol] : Number(givenPort);
  const host = hostname.replace(/^\[|\]$/g, '');
  const tcUrl = `${protocol}//${hostname}:${port}/${app}`;
  return { scheme: protocol, host, port, tcUrl, app, publishingName: `${name}${search}` };
}
