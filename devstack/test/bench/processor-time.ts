import { readFile } from 'node:fs/promises';

/** `USER_HZ`: what /proc counts in, 100 per second on every Linux that Node runs on. */
const CLOCK_TICKS_PER_SECOND = 100;

/** User and system seconds that a process (and its finished children) has used. */
export async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // proc(5): the second field is the command in brackets and may hold spaces; utime is the 14th field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

/** Bytes that a process has read from files; what it receives from sockets by recv(2) is not counted. */
export async function bytesRead(pid: number): Promise<number> {
  const counters = await readFile(`/proc/${pid}/io`, 'utf8');
  return Number(/rchar: (\d+)/.exec(counters)?.[1] ?? 0);
}
