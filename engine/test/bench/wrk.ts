import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Linux: clock ticks of `/proc`. */
const TICKS_PER_SECOND = 100;

export interface WrkResult {
  readonly requestsPerSecond: number;
  /** Processor time of the server's process, user and kernel. */
  readonly processorMicrosecondsPerRequest: number;
  readonly problems: string;
}

export async function isInstalled(program: string): Promise<boolean> {
  return run('which', [program]).then(
    () => true,
    () => false,
  );
}

/** One thread, `connections` keep-alive connections, one address, for `seconds`. */
export async function wrk(
  url: string,
  server: { readonly pid: number; readonly connections: number; readonly seconds: number },
): Promise<WrkResult> {
  const before = await processorSeconds(server.pid);
  const flags = ['-t', '1', '-c', String(server.connections), '-d', `${server.seconds}s`];
  const { stdout } = await run('wrk', [...flags, url]);
  const spent = (await processorSeconds(server.pid)) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    processorMicrosecondsPerRequest: (spent / requests) * 1e6,
    problems: stdout
      .split('\n')
      .filter((line) => /Socket errors|Non-2xx/.test(line))
      .join('; '),
  };
}

async function processorSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
