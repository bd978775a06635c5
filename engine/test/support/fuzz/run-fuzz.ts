import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { FuzzTarget } from './fuzz-target.ts';
import { piecesOf, type SessionPlan, sessionPlan } from './session-plan.ts';

/** Sessions at once; a property is one batch of them, so that they also disturb each other. */
const BATCH_SESSIONS = 100;
/** From the last byte sent to the end of the connection. The server's own limits are far below. */
const HANG_MS = 15_000;
/** For a server that reads no more because it waits. */
const WRITE_MS_MAX = 15_000;

export interface FuzzReport {
  readonly target: string;
  readonly sessions: number;
  readonly seconds: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly peakRssMegabytes: number;
  /** What is left over when all sessions are gone, after garbage collection where the process lets us ask for it. */
  readonly heapGrowthMegabytes: number;
  readonly bufferGrowthMegabytes: number;
}

export interface FuzzOptions {
  readonly sessions: number;
  readonly seed?: number;
  /** After each batch, with what was played so far. */
  readonly onProgress?: (played: number) => void;
}

/**
 * Plays damaged sessions against a listening server. Rejects with the batch that made it hang, leak
 * connections or throw; `seed` repeats a run.
 */
export async function runFuzz(
  target: FuzzTarget,
  { sessions, seed, onProgress }: FuzzOptions,
): Promise<FuzzReport> {
  // The first sessions fill caches and compile code: what they leave is the base.
  await playBatch(target, fc.sample(sessionPlan, { numRuns: BATCH_SESSIONS, seed: 1 }));
  const before = memory();
  const startedAtMs = performance.now();
  let peakRss = 0;
  let played = 0;
  const batch = fc.array(sessionPlan, { minLength: BATCH_SESSIONS, maxLength: BATCH_SESSIONS });
  const property = fc.asyncProperty(batch, async (plans) => {
    await playBatch(target, plans);
    played += plans.length;
    peakRss = Math.max(peakRss, process.memoryUsage().rss);
    onProgress?.(played);
  });
  const numRuns = Math.ceil(sessions / BATCH_SESSIONS);
  // Smaller batches are looked for by whoever reads the failure: where it is a hang, each attempt takes its whole limit.
  await fc.assert(property, { numRuns, endOnFailure: true, ...(seed === undefined ? {} : { seed }) });
  const after = memory();
  return {
    target: target.name,
    sessions: played,
    seconds: Math.round((performance.now() - startedAtMs) / 100) / 10,
    outcomes: target.outcomes(),
    peakRssMegabytes: megabytes(peakRss),
    heapGrowthMegabytes: megabytes(after.heapUsed - before.heapUsed),
    bufferGrowthMegabytes: megabytes(after.arrayBuffers - before.arrayBuffers),
  };
}

async function playBatch(target: FuzzTarget, plans: readonly SessionPlan[]): Promise<void> {
  await Promise.all(
    plans.map((plan) =>
      playSession(target, plan).catch((cause: unknown) => {
        throw new Error(`this session failed: ${fc.stringify(plan)}`, { cause });
      }),
    ),
  );
  const deadline = performance.now() + HANG_MS;
  while (target.connections() > 0) {
    if (performance.now() > deadline) throw new Error(`${target.connections()} connections are left`);
    await sleep(5);
  }
}

async function playSession(target: FuzzTarget, plan: SessionPlan): Promise<void> {
  const socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // Refused and reset connections are what hostile peers see.
  socket.on('error', () => undefined);
  socket.resume();
  try {
    const sent = sendAll(socket, piecesOf(plan, target.sessions), plan.pauses);
    await withinTime(Promise.race([sent, closed]), WRITE_MS_MAX, 'a session was not read');
    if (plan.ending === 'end') socket.end();
    if (plan.ending === 'reset') socket.resetAndDestroy();
    await withinTime(closed, HANG_MS, 'a connection was not closed');
  } finally {
    socket.destroy();
  }
}

async function sendAll(
  socket: Socket,
  pieces: readonly Uint8Array[],
  pauses: SessionPlan['pauses'],
): Promise<void> {
  await once(socket, 'connect').catch(() => undefined);
  for (const [index, piece] of pieces.entries()) {
    if (socket.destroyed || !socket.writable) return;
    const pause = pauses.find(({ after }) => after === index);
    if (pause !== undefined) await sleep(pause.ms);
    const hasRoom = socket.write(piece);
    if (!hasRoom) await once(socket, 'drain').catch(() => undefined);
  }
}

async function withinTime(work: Promise<void>, limitMs: number, message: string): Promise<void> {
  const timer = new AbortController();
  const expired = sleep(limitMs, 'expired' as const, { signal: timer.signal }).catch(() => undefined);
  const first = await Promise.race([work.then(() => undefined), expired]);
  timer.abort();
  if (first === 'expired') throw new Error(`${message} within ${limitMs} ms`);
}

function memory(): { heapUsed: number; arrayBuffers: number } {
  // There with --expose-gc; without it the figures are coarse.
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heapUsed, arrayBuffers };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 104_857.6) / 10;
}
