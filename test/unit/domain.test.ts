import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatDuration, parseDurationMs } from '../../src/lib/domain/duration.ts';
import { healthFromReason, heartbeatReason } from '../../src/lib/domain/health.ts';
import { mergePatch } from '../../src/lib/domain/merge-patch.ts';

describe('ISO 8601 durations', () => {
  it.each([
    ['PT0S', 0],
    ['PT2S', 2000],
    ['PT0.5S', 500],
    ['PT1H12M', 4_320_000],
    ['P1DT1H', 90_000_000],
    ['P7D', 604_800_000],
    ['P', undefined],
    ['PT', undefined],
    ['P1DT', undefined],
    ['PT-1S', undefined],
    ['P1M', undefined],
    ['PT1S2M', undefined],
    ['pt1s', undefined],
    ['PT1.S', undefined],
    ['PT99999999S', undefined],
    ['', undefined],
  ])('%s is %s ms', (text, expected) => {
    expect(parseDurationMs(text)).toBe(expected);
  });

  it('read back as they were written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 25 * 3_600_000 }), (durationMs) => {
        expect(parseDurationMs(formatDuration(durationMs))).toBe(durationMs);
      }),
    );
  });
});

describe('merge patch', () => {
  // RFC 7396, appendix A.
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j is %j', (target, patch, expected) => {
    expect(mergePatch(target, patch)).toEqual(expected);
  });

  it('cannot reach the prototype', () => {
    const merged = mergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'));
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
  });
});

describe('what reason codes mean to a producer', () => {
  it.each([
    ['S_OK', undefined],
    ['MPI_REST_API_CHANNEL_STOP', undefined],
    ['MPE_RTMP_APPID_AUTH_FAILURE', ['error', 'WRONG_STREAM_KEY']],
    ['MPE_INGEST_CODEC_NOT_SUPPORTED', ['error', 'CODEC_NOT_SUPPORTED']],
    ['KEYFRAMES_TOO_FAR_APART', ['warning', 'KEYFRAMES_TOO_FAR_APART']],
    ['toString', ['warning', 'INGEST_PROBLEM']],
    [`<script>${'x'.repeat(500)}`, ['warning', 'INGEST_PROBLEM']],
  ])('%s', (reason, expected) => {
    const health = healthFromReason(reason);
    expect(health && [health.level, health.code]).toEqual(expected);
    expect(health?.message ?? '').not.toMatch(/[<>]|x{81}/);
  });

  const heartbeat = {
    trackType: 'video',
    healthy: false,
    unexpectedBitrate: false,
    overlapCount: 0,
    discontinuityCount: 0,
    nonincreasingCount: 0,
    incomingBitrate: 1,
  };
  it.each([
    ['a healthy one', { healthy: true, overlapCount: 3 }, undefined],
    [
      'timestamps before overlaps',
      { nonincreasingCount: 1, overlapCount: 1 },
      'FragmentDrop_NonIncreasingTimestamp',
    ],
    ['overlaps before gaps', { overlapCount: 1, discontinuityCount: 1 }, 'FragmentDrop_OverlapTimestamp'],
    ['gaps', { discontinuityCount: 1 }, 'MPE_INGEST_DISCONTINUITY'],
    ['an unsteady bitrate', { unexpectedBitrate: true }, 'BITRATE_UNEXPECTED'],
    ['silence in a sound track', { trackType: 'Audio', unexpectedBitrate: true }, undefined],
    [
      'nothing arrives: read from the service instead',
      { unexpectedBitrate: true, incomingBitrate: 0 },
      undefined,
    ],
  ])('a heartbeat with %s', (_name, fields, expected) => {
    expect(heartbeatReason({ ...heartbeat, ...fields })).toBe(expected);
  });
});
