import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { FuzzTarget } from '../support/fuzz/fuzz-target.ts';
import { runFuzz } from '../support/fuzz/run-fuzz.ts';
import { startSmoothTarget } from '../support/fuzz/smooth-target.ts';

/** The long form is `npm run fuzz -- --sessions 20000 --only smooth`. */
const SESSIONS = 200;
const MEGABYTES_LEFT_MAX = 64;

let target: FuzzTarget | undefined;
afterEach(async () => {
  await target?.close();
  target = undefined;
});

describe('Smooth ingest, of sessions that are damaged, cut, reordered and slowed down', () => {
  it(`survives ${SESSIONS} of them, closes all, and keeps nothing`, async () => {
    target = await startSmoothTarget();
    const report = await runFuzz(target, { sessions: SESSIONS });
    expect(report.bufferGrowthMegabytes).toBeLessThan(MEGABYTES_LEFT_MAX);
    expect(report.outcomes).not.toHaveProperty('error');
    expect(report.outcomes).not.toHaveProperty('memory not given back');
    // They do get as far as media; which ends they come to is chance.
    expect(Object.keys(report.outcomes)).toEqual(
      expect.arrayContaining(['probe', 'publishing', 'track h264', 'sample']),
    );
  }, 120_000);

  it('takes every sample of the session as it was recorded', async () => {
    target = await startSmoothTarget({ timeoutMs: 10_000 });
    const socket = connect(target.port, '127.0.0.1').resume();
    for (const part of target.sessions[0] ?? []) socket.write(part);
    await once(socket, 'close');
    expect(target.outcomes()).toMatchObject({ publishing: 1, 'closed MPI_STREAM_HIT_EOF': 1 });
  });
});
