import { z } from 'zod';
import { parseIndexLineValue } from '../model/index-line.ts';
import type { FeedClient, FeedPoll, FeedReply, Owner, PollOutcome } from './origin-ports.ts';

const LINES_PER_REPLY_MAX = 1_000_000;
const REPLY_BYTES_MAX = 128 * 1024 * 1024;
const BODY_BYTES_MAX = 64 * 1024 * 1024;
const CURSOR_CHARS_MAX = 512;
const BODY_TIMEOUT_MS = 10_000;
/** How much longer than asked for an answer may take before the owner counts as hung. */
const POLL_GRACE_MS = 3_000;

const ReplyShape = z.object({
  epoch: z.int().nonnegative(),
  cursor: z.string().max(CURSOR_CHARS_MAX),
  ended: z.boolean(),
  lines: z
    .array(z.object({ folder: z.string().regex(/^[\w.-]{1,200}$/), line: z.unknown() }))
    .max(LINES_PER_REPLY_MAX),
});

/** The live feed over HTTP. */
export function createFeedClient(): FeedClient {
  return {
    poll: (owner, request, signal) => poll(owner, request, signal),
    fragment: (owner, liveEventId, { folder, decodeTimeTicks }) =>
      readBody(owner, `${encodeURIComponent(liveEventId)}/fragment/${folder}/${decodeTimeTicks}`),
    header: (owner, liveEventId, { folder, formatIndex }) =>
      readBody(owner, `${encodeURIComponent(liveEventId)}/header/${folder}/${formatIndex}`),
  };
}

async function poll(owner: Owner, request: FeedPoll, signal: AbortSignal): Promise<PollOutcome> {
  const path = `${encodeURIComponent(request.liveEventId)}/${encodeURIComponent(request.source)}`;
  const url = new URL(`/feed/${path}`, owner.address);
  if (request.after !== undefined) url.searchParams.set('after', request.after);
  url.searchParams.set('waitMs', String(request.waitMs));
  const timeout = AbortSignal.timeout(request.waitMs + POLL_GRACE_MS);
  const response = await fetch(url, { signal: AbortSignal.any([signal, timeout]), redirect: 'error' });
  if (response.status === 410 || response.status === 404) {
    await response.body?.cancel();
    return { kind: response.status === 410 ? 'restart' : 'notFound' };
  }
  const body = await readBounded(response, REPLY_BYTES_MAX);
  return { kind: 'reply', reply: parseReply(new TextDecoder().decode(body)) };
}

function parseReply(text: string): FeedReply {
  const { lines, ...reply } = ReplyShape.parse(JSON.parse(text));
  return { ...reply, lines: lines.map(({ folder, line }) => ({ folder, line: parseIndexLineValue(line) })) };
}

async function readBody(owner: Owner, path: string): Promise<Uint8Array | undefined> {
  const url = new URL(`/feed/${path}`, owner.address);
  const response = await fetch(url, { signal: AbortSignal.timeout(BODY_TIMEOUT_MS), redirect: 'error' });
  if (response.status === 404 || response.status === 410) {
    await response.body?.cancel();
    return undefined;
  }
  return readBounded(response, BODY_BYTES_MAX);
}

async function readBounded(response: Response, sizeBytesMax: number): Promise<Uint8Array> {
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`the feed answered ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of response.body) {
    sizeBytes += part.byteLength;
    if (sizeBytes > sizeBytesMax) throw new Error(`the feed's answer exceeds ${sizeBytesMax} bytes`);
    parts.push(part);
  }
  const whole = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}
