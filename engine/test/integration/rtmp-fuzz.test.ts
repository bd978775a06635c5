import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { FuzzTarget } from '../support/fuzz/fuzz-target.ts';
import { startRtmpTarget } from '../support/fuzz/rtmp-target.ts';
import { runFuzz } from '../support/fuzz/run-fuzz.ts';

/** The long form is `npm run fuzz -- --sessions 20000`. */
const SESSIONS = 300;
const MEGABYTES_LEFT_MAX = 64;

let target: FuzzTarget | undefined;
afterEach(async () => {
  await target?.close();
  target = undefined;
});

describe('RTMP ingest, of sessions that are damaged, cut, reordered and slowed down', () => {
  it(`survives ${SESSIONS} of them, closes all, and keeps nothing`, async () => {
    target = await startRtmpTarget();
    const report = await runFuzz(target, { sessions: SESSIONS });
    expect(report.bufferGrowthMegabytes).toBeLessThan(MEGABYTES_LEFT_MAX);
    expect(report.outcomes).not.toHaveProperty('error');
    // They do get as far as media, and many of them are refused on the way.
    expect(Object.keys(report.outcomes)).toEqual(
      expect.arrayContaining(['publishing', 'sample', 'fault', 'track h264']),
    );
  }, 120_000);

  it('takes every sample of the sessions as they were recorded', async () => {
    target = await startRtmpTarget({ timeoutMs: 10_000 });
    for (const session of target.sessions) {
      const socket = connect(target.port, '127.0.0.1').resume();
      for (const part of session) socket.write(part);
      socket.end();
      await once(socket, 'close');
    }
    expect(target.outcomes()).toMatchObject({ publishing: target.sessions.length, 'track hevc': 2 });
    expect(target.outcomes()).not.toHaveProperty('fault');
  });
});
