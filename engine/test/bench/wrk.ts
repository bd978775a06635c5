import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Linux: clock ticks of `/proc`. */
const TICKS_PER_SECOND = 100;

export interface WrkResult {
  readonly requestsPerSecond: number;
  /** Processor time of the server's processes, user and kernel. */
  readonly processorMicrosecondsPerRequest: number;
  /** As a client sees it: of all answers, 99 % came within this time. */
  readonly latencyP99Ms: number;
  readonly problems: string;
}

export interface Load {
  /** Of the server, or of all that it takes. */
  readonly pid: number | readonly number[];
  readonly connections: number;
  readonly seconds: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A Lua file that makes the requests. */
  readonly script?: string;
}

export async function isInstalled(program: string): Promise<boolean> {
  return run('which', [program]).then(
    () => true,
    () => false,
  );
}

/** One thread, `connections` keep-alive connections, one address, for `seconds`. */
export async function wrk(url: string, load: Load): Promise<WrkResult> {
  const before = await processorSeconds(load.pid);
  const { stdout } = await run('wrk', [
    ...['-t', '1', '-c', String(load.connections), '-d', `${load.seconds}s`, '--latency'],
    ...Object.entries(load.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    ...(load.script === undefined ? [] : ['-s', load.script]),
    url,
  ]);
  const spent = (await processorSeconds(load.pid)) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    processorMicrosecondsPerRequest: (spent / requests) * 1e6,
    latencyP99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)\b/.exec(stdout)),
    problems: stdout
      .split('\n')
      .filter((line) => /Socket errors|Non-2xx/.test(line))
      .join('; '),
  };
}

const MS_PER: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };

function milliseconds(text: RegExpExecArray | null): number {
  return Number(text?.[1]) * (MS_PER[text?.[2] ?? ''] ?? Number.NaN);
}

async function processorSeconds(pids: number | readonly number[]): Promise<number> {
  const each = await Promise.all([pids].flat().map((pid) => secondsOf(pid)));
  return each.reduce((sum, seconds) => sum + seconds, 0);
}

async function secondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
