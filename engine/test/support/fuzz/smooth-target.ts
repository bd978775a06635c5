import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProbedDoor } from '../../../src/ingest/publish-session.ts';
import { startSmoothIngest } from '../../../src/ingest/smooth/smooth-ingest.ts';
import { recordSession, type SessionBox } from '../smooth-session.ts';
import { makeSource } from '../source-media.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { countingDoor } from './rtmp-target.ts';

const HEAD = 'POST /abcd1234ef/ingest.isml/Streams(cam) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n';

/**
 * A Smooth ingest on a free port of loopback, with time-outs that a test can wait for: a session of thousands of writes
 * among a hundred others shall get as far as its media.
 */
export async function startSmoothTarget({ timeoutMs = 2000 } = {}): Promise<FuzzTarget> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-fuzz-'));
  const source = await makeSource(folder, 'source.mp4', 2);
  const [smooth, plain] = await Promise.all([
    recordSession(source),
    recordSession(source, '-an', '-movflags', 'frag_keyframe+empty_moov+default_base_moof', '-f', 'mp4'),
  ]);
  await rm(folder, { recursive: true, force: true });
  const counts: Record<string, number> = {};
  const count = (name: string): void => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const ingest = await startSmoothIngest({
    ...{ port: 0, host: '127.0.0.1', publicHost: '127.0.0.1', publicPort: 0 },
    door: probedDoor(count),
    log: { info: () => undefined, warn: () => count('fault'), error: () => count('error') },
    clock: Date,
    limits: {
      ...{ requestTimeoutMs: timeoutMs, headerTimeoutMs: timeoutMs, idleTimeoutMs: timeoutMs },
      ...{ fragmentTimeoutMs: timeoutMs, keepAliveTimeoutMs: timeoutMs },
      ...{ connectionsMax: 1000, connectionsPerAddressMax: 1000 },
    },
  });
  return {
    name: 'smooth',
    port: ingest.port,
    sessions: [
      chunkedSession(smooth),
      rawSession(smooth),
      rawSession(plain),
      [utf8(`${HEAD}Content-Length: 0\r\n\r\n`)],
    ],
    connections: ingest.connections,
    outcomes: () => ({ ...counts, ...(ingest.memoryBytes() === 0 ? {} : { 'memory not given back': 1 }) }),
    close: ingest.close,
  };
}

function probedDoor(count: (name: string) => void): ProbedDoor {
  let probes = 0;
  return {
    ...countingDoor(count),
    probe: async () => {
      probes += 1;
      count('probe');
      if (probes % 29 > 0) return { kind: 'accepted' };
      return {
        kind: 'refused',
        resultCode: 'MPE_INGEST_ENCODER_CONNECTION_DENIED',
        message: 'Not from there.',
      };
    },
  };
}

/** As encoders send it: a chunk per box. */
function chunkedSession(boxes: readonly SessionBox[]): Uint8Array[] {
  const chunks = boxes
    .map(plainBytes)
    .flatMap((bytes) => [utf8(`${bytes.length.toString(16)}\r\n`), bytes, utf8('\r\n')]);
  return [utf8(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`), ...chunks, utf8('0\r\n\r\n')];
}

/** A body longer than what comes: damage of any length reaches the boxes and not the framing of HTTP. */
function rawSession(boxes: readonly SessionBox[]): Uint8Array[] {
  return [utf8(`${HEAD}Content-Length: 99999999\r\n\r\n`), ...boxes.map(plainBytes)];
}

/** A copy, and no Buffer: slices of those are the same memory. */
function plainBytes({ bytes }: SessionBox): Uint8Array {
  return new Uint8Array(bytes);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
