import { readdir, readFile } from 'node:fs/promises';

export interface RunningProcess {
  readonly pid: number;
  readonly parentPid: number;
  readonly args: readonly string[];
}

/** The children of a process as /proc has them now. */
export async function childrenOf(parentPid: number): Promise<readonly RunningProcess[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(names.map((name) => readProcess(Number(name))));
  return found.filter((entry) => entry !== undefined).filter((entry) => entry.parentPid === parentPid);
}

/** Undefined: it is gone, or a zombie. */
async function readProcess(pid: number): Promise<RunningProcess | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // proc(5): the second field is the command in brackets and may hold spaces; then state and parent.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z') return undefined;
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    return { pid, parentPid: Number(parent), args };
  } catch {
    return undefined;
  }
}

/** Resident memory in MiB; undefined when the process is gone. */
export async function residentMiB(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
}
