import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { helpText, PORT_NAMES, PORTS, parseStartFlags } from '../../src/flags.ts';
import { portProblem } from '../../src/port-check.ts';
import { restartDelayMs } from '../../src/supervised-process.ts';

const DEFAULT_PORTS = {
  functions: 7071,
  page: 8080,
  streaming: 8888,
  keys: 8887,
  rtmp: 1935,
  rtmpBackup: 1936,
  rtmps: 2935,
  rtmpsBackup: 2936,
  smooth: 8889,
  arm: 8443,
  identity: 8444,
  feed: 8890,
  broker: 6060,
  blob: 10000,
  queue: 10001,
  table: 10002,
  blobDirect: 10003,
};

describe('parseStartFlags', () => {
  it('has a default for everything', () => {
    expect(parseStartFlags([])).toEqual({
      kind: 'start',
      flags: {
        demo: false,
        fresh: false,
        watch: false,
        host: 'headend',
        dataDir: '.headend',
        ports: DEFAULT_PORTS,
      },
    });
  });

  it('reads every flag', () => {
    expect(
      parseStartFlags([
        ...['--demo', '--fresh', '--watch', '--host=azure'],
        ...['--data-dir', 'd', '--rtmp-port=2000', '--page-port', '0'],
      ]),
    ).toEqual({
      kind: 'start',
      flags: {
        demo: true,
        fresh: true,
        watch: true,
        host: 'azure',
        dataDir: 'd',
        ports: { ...DEFAULT_PORTS, rtmp: 2000, page: 0 },
      },
    });
  });

  it.each([
    {
      name: 'an unknown flag, with the one that was meant',
      argv: ['--functions'],
      problem: '--functions is not a flag; did you mean --functions-port?',
    },
    { name: 'an unknown flag like no other', argv: ['--xyz'], problem: '--xyz is not a flag' },
    { name: 'a word that is no flag', argv: ['demo'], problem: '"demo" is not a flag' },
    { name: 'a flag without its value', argv: ['--data-dir'], problem: '--data-dir needs a value' },
    {
      name: 'a host that is none',
      argv: ['--host', 'mine'],
      problem: '--host is "mine", neither headend nor azure',
    },
    { name: 'a value where none belongs', argv: ['--demo=yes'], problem: '--demo takes no value' },
    {
      name: 'a port that is none',
      argv: ['--rtmp-port', '70000'],
      problem: '--rtmp-port is "70000", not a port (0 to 65535; 0 picks a free one)',
    },
    {
      name: 'two equal ports',
      argv: ['--page-port', '7071'],
      problem: '--functions-port and --page-port are both 7071',
    },
  ])('names $name', ({ argv, problem }) => {
    expect(parseStartFlags(argv)).toEqual({ kind: 'invalid', problems: [problem] });
  });

  it('names every problem at once', () => {
    expect(parseStartFlags(['--xyz', '--page-port', 'a'])).toMatchObject({
      kind: 'invalid',
      problems: { length: 2 },
    });
  });

  it('never throws, whatever is typed', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (argv) => {
        expect(['start', 'help', 'invalid']).toContain(parseStartFlags(argv).kind);
      }),
    );
  });

  it('is asked for help before anything else', () => {
    expect(parseStartFlags(['--xyz', '-h'])).toEqual({ kind: 'help' });
  });

  it('names every port in the help', () => {
    const help = helpText();
    for (const name of PORT_NAMES) expect(help).toContain(`--${PORTS[name].flag} <n>`);
  });
});

describe('portProblem', () => {
  it('is one sentence with the flag that changes it', () => {
    expect(portProblem('rtmp', 1935, 'EADDRINUSE')).toBe(
      'Port 1935 (RTMP from encoders) is taken by another program; choose another with --rtmp-port <n>.',
    );
  });
});

describe('restartDelayMs', () => {
  it('is nothing after the first crash and never above five seconds', () => {
    expect([1, 2, 3, 4, 5, 6, 1000].map(restartDelayMs)).toEqual([0, 500, 1000, 2000, 5000, 5000, 5000]);
  });
});
