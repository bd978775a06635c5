import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { confined } from '../../../src/ffmpeg/confinement.ts';
import { cleanEvidence, LogLines } from '../../../src/ffmpeg/evidence.ts';
import { failureOf } from '../../../src/ffmpeg/failure.ts';
import { isNewEnough } from '../../../src/ffmpeg/ffmpeg-programs.ts';
import { inputGuard, runArguments } from '../../../src/ffmpeg/run-arguments.ts';
import { wallMsOf } from '../../../src/ffmpeg/run-ffmpeg.ts';

const LIMITS = { memoryBytes: 1000, fileBytes: 2000, cpuSeconds: 3.2, wallMs: 4000 };

describe('how FFmpeg is started', () => {
  it('confined by all that there is, as one process', () => {
    const wrappers = { unshare: '/bin/unshare', setpriv: '/bin/setpriv', prlimit: '/bin/prlimit' };
    expect(confined('/bin/ffmpeg', ['-i', 'a'], wrappers, LIMITS)).toEqual({
      command: '/bin/unshare',
      arguments: [
        ...['--user', '--map-current-user', '--net', '--'],
        ...['/bin/prlimit', '--as=1000', '--fsize=2000', '--cpu=4', '--nofile=1024', '--core=0', '--'],
        ...['/bin/setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--'],
        ...['/bin/ffmpeg', '-i', 'a'],
      ],
    });
  });

  it('as it is where nothing confines it', () => {
    const nothing = { unshare: undefined, setpriv: undefined, prlimit: undefined };
    expect(confined('/bin/ffmpeg', ['-i', 'a'], nothing, LIMITS)).toEqual({
      command: '/bin/ffmpeg',
      arguments: ['-i', 'a'],
    });
  });

  it('every input is guarded, whatever a plan says', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('-i', '-f', 'concat', 'input-0', 'out.mp4', '-c', 'copy')),
        (args) => {
          const run = { arguments: args, writes: [], texts: [], durationSeconds: 1 };
          const made = runArguments(run, 'error');
          const inputs = [...made.keys()].filter((index) => made[index] === '-i');
          return inputs.every((index) => {
            const before = made.slice(index - inputGuard().length, index);
            const protocols = before[before.indexOf('-protocol_whitelist') + 1];
            const formats = before[before.indexOf('-format_whitelist') + 1];
            return (
              protocols === 'file,pipe' &&
              /(?:^|,)mov,/.test(formats ?? '') &&
              !/hls|dash/.test(formats ?? '')
            );
          });
        },
      ),
    );
  });

  it('only what the plan itself calls a list is read as one', () => {
    const args = ['-f', 'concat', '-i', 'list.txt', '-i', 'input-0', '-c', 'copy', 'out.mp4'];
    const made = runArguments(
      { arguments: args, writes: ['out.mp4'], texts: [], durationSeconds: 1 },
      'error',
    );
    const formats = made.filter((_, index) => made[index - 1] === '-format_whitelist');
    expect(formats.map((list) => list.startsWith('concat,'))).toEqual([true, false]);
    expect(made.slice(0, 5)).toEqual(['-hide_banner', '-nostdin', '-y', '-loglevel', 'level+error']);
  });

  it.each([
    ['5.1.9-0+deb12u1', true],
    ['5.0.2', false],
    ['4.4.2-0ubuntu0.22.04.1', false],
    ['n6.1', true],
    ['7:5.1.4', true],
    ['8.0', true],
    ['N-112345-gabcdef', true],
  ])('version %s is new enough: %s', (version, expected) => {
    expect(isNewEnough(version)).toBe(expected);
  });

  it.each([
    [0, 120_000],
    [60, 7_320_000],
    [1e9, 86_400_000],
  ])('%d seconds of media may take %d ms', (seconds, expected) => {
    expect(wallMsOf(seconds)).toBe(expected);
  });
});

describe('what FFmpeg says', () => {
  it('is kept at its end only, whatever it says', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 2000 }), { maxLength: 200 }), (texts) => {
        const log = new LogLines({});
        for (const text of texts) log.write(text);
        log.end();
        return log.text().length <= 40 * 401;
      }),
    );
  });

  it.each([
    ['[mov,mp4 @ 0x55d0c0] [error] moov atom not found', '[mov,mp4] moov atom not found'],
    ['/tmp/headend-run-1-abc/input-0: Invalid data', 'input-0: Invalid data'],
    ['Failed to open https://a.example/x?sig=abc%3D&se=1', 'Failed to open (address)'],
    ['blob?sv=1&sig=SECRET&x=1', 'blob?sv=1&sig=(secret)&x=1'],
    ["Error opening '/home/me/secret/file.mp4'", "Error opening 'file.mp4'"],
    ['\u0007\u001b[31mred', '[31mred'],
  ])('%j becomes %j', (said, shown) => {
    expect(cleanEvidence(said)).toBe(shown);
  });

  const END = { code: 1, killedBy: null, isTooLong: false, logLines: 1 };
  it.each([
    { log: '[mov] [error] moov atom not found', end: {}, reason: 'malformed' },
    { log: 'input-0: Invalid data found when processing input', end: {}, reason: 'malformed' },
    { log: "[error] Format not on whitelist 'mov'", end: {}, reason: 'unsupported' },
    {
      log: "Unknown decoder 'x'\nDecoder (codec none) not found for input stream #0:0",
      end: {},
      reason: 'unsupported',
    },
    { log: '[error] [IMGUTILS] Picture size 60000x60000 is invalid', end: {}, reason: 'unsupported' },
    { log: "Unknown encoder 'libx999'", end: {}, reason: 'configuration' },
    { log: 'Error initializing a simple filtergraph', end: {}, reason: 'configuration' },
    { log: 'av_interleaved_write_frame(): No space left on device', end: {}, reason: 'resources' },
    { log: 'Error: Cannot allocate memory', end: {}, reason: 'limit' },
    { log: '', end: { code: null, killedBy: 'SIGXFSZ' as const }, reason: 'limit' },
    { log: '', end: { code: null, killedBy: 'SIGKILL' as const, isTooLong: true }, reason: 'limit' },
    { log: '', end: { code: null, killedBy: 'SIGKILL' as const }, reason: 'resources' },
    { log: '', end: { code: null, killedBy: 'SIGSEGV' as const }, reason: 'malformed' },
    { log: 'something else', end: {}, reason: 'unknown' },
  ])('$log $end is $reason', ({ log, end, reason }) => {
    expect(failureOf({ ...END, ...end, log })).toMatchObject({ kind: 'failed', reason });
  });
});
