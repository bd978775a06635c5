import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf, residentMiB } from './process-tree.ts';

const POLL_MS = 5000;
const DEPTH_MAX = 4;
/** A day at one sample per five seconds. */
const SAMPLES_MAX = 17_280;

interface Sample {
  readonly atMs: number;
  readonly mebibytes: number;
}

export interface MemoryOfProcess {
  readonly name: string;
  readonly pid: number;
  readonly samples: readonly Sample[];
}

/** Resident memory of every process below `rootPid`, sampled until it is stopped. */
export function watchMemory(rootPid: number): { stop(): Promise<readonly MemoryOfProcess[]> } {
  const found = new Map<number, { name: string; pid: number; samples: Sample[] }>();
  const ending = new AbortController();
  const watching = (async () => {
    while (!ending.signal.aborted) {
      await look(rootPid, found, 0);
      await sleep(POLL_MS, undefined, { signal: ending.signal }).catch(() => undefined); // stopped
    }
  })();
  return {
    async stop() {
      ending.abort();
      await watching;
      return [...found.values()];
    },
  };
}

async function look(
  parentPid: number,
  found: Map<number, { name: string; pid: number; samples: Sample[] }>,
  depth: number,
): Promise<void> {
  for (const { pid, args } of await childrenOf(parentPid)) {
    const mebibytes = await residentMiB(pid);
    if (mebibytes === undefined) continue;
    const entry = found.get(pid) ?? { name: nameOf(args), pid, samples: [] };
    found.set(pid, entry);
    if (entry.samples.length < SAMPLES_MAX) entry.samples.push({ atMs: Date.now(), mebibytes });
    if (depth < DEPTH_MAX) await look(pid, found, depth + 1);
  }
}

/** `engine serve control,ingest,worker`, `devstack azurite blob`, … */
function nameOf(args: readonly string[]): string {
  const program = args.findIndex((arg) => arg.endsWith('.mjs'));
  const words = args.slice(program + 1).filter((arg) => /^[a-z][a-z,-]*$/.test(arg));
  const file = args[program]?.replace(/^.*\/|\.mjs$/g, '') ?? '';
  return program < 0 ? (args[0] ?? '?') : [file, ...words.slice(0, 2)].join(' ');
}

/** Least squares over the samples from `fromMs` on; NaN with fewer than two. */
export function slopeMiBPerHour(samples: readonly Sample[], fromMs: number): number {
  const points = samples
    .filter(({ atMs }) => atMs >= fromMs)
    .map(({ atMs, mebibytes }) => ({ hours: (atMs - fromMs) / 3_600_000, mebibytes }));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanHours = mean(points.map(({ hours }) => hours));
  const meanMebibytes = mean(points.map(({ mebibytes }) => mebibytes));
  let covariance = 0;
  let variance = 0;
  for (const { hours, mebibytes } of points) {
    covariance += (hours - meanHours) * (mebibytes - meanMebibytes);
    variance += (hours - meanHours) ** 2;
  }
  return covariance / variance;
}
