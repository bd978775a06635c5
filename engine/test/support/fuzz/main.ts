import { parseArgs } from 'node:util';
import type { FuzzTarget } from './fuzz-target.ts';
import { startRtmpTarget } from './rtmp-target.ts';
import { runFuzz } from './run-fuzz.ts';
import { startSmoothTarget } from './smooth-target.ts';

const TARGETS: Readonly<Record<string, () => Promise<FuzzTarget>>> = {
  rtmp: () => startRtmpTarget(),
  smooth: () => startSmoothTarget(),
};

/** How often a long run says on stderr how far it is. */
const PROGRESS_EVERY_MS = 10_000;

/** `--sessions n [--seed n] [--only name]`: one JSON line per target; fails with the batch that a server did not survive. */
const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '20000' },
    seed: { type: 'string' },
    only: { type: 'string' },
  },
});
for (const [name, start] of Object.entries(TARGETS)) {
  if (values.only !== undefined && values.only !== name) continue;
  const target = await start();
  try {
    const seed = values.seed === undefined ? {} : { seed: Number(values.seed) };
    const report = await runFuzz(target, {
      sessions: Number(values.sessions),
      ...seed,
      onProgress: progressTeller(name),
    });
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await target.close();
  }
}

function progressTeller(name: string): (played: number) => void {
  let toldAtMs = performance.now();
  return (played) => {
    if (performance.now() - toldAtMs < PROGRESS_EVERY_MS) return;
    toldAtMs = performance.now();
    const rssMegabytes = Math.round(process.memoryUsage().rss / 1_048_576);
    process.stderr.write(`${name}: ${played} sessions, ${rssMegabytes} MiB\n`);
  };
}
