import { parseArgs } from 'node:util';
import type { FuzzTarget } from './fuzz-target.ts';
import { startRtmpTarget } from './rtmp-target.ts';
import { runFuzz } from './run-fuzz.ts';
import { startSmoothTarget } from './smooth-target.ts';

const TARGETS: Readonly<Record<string, () => Promise<FuzzTarget>>> = {
  rtmp: () => startRtmpTarget(),
  smooth: () => startSmoothTarget(),
};

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
    const report = await runFuzz(target, { sessions: Number(values.sessions), ...seed });
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await target.close();
  }
}
