import { startAzurite } from '../support/azurite.ts';
import { buildEngine } from '../support/engine-program.ts';
import { startLoad } from '../support/http-load.ts';
import { storeShow } from '../support/stored-show.ts';
import { startNginx } from './nginx.ts';
import { isInstalled, type WrkResult, wrk } from './wrk.ts';

const ROUNDS = 3;
const SECONDS = 4;
const CONNECTIONS = 32;
const KIB = 1024;

/** Segments and playlists from one serving process and from one nginx worker with the same bytes, in turns. */
export async function benchServing(): Promise<string> {
  for (const program of ['wrk', 'nginx']) {
    if (await isInstalled(program)) continue;
    return `serving: not measured, ${program} is not installed`;
  }
  const [azurite, program] = await Promise.all([startAzurite(), buildEngine()]);
  const store = (fragments: number, sizeBytes: number) =>
    storeShow(azurite.connectionString, { fragments, sizeBytes });
  const [large, small, long] = [
    await store(30, KIB * KIB),
    await store(30, 250 * KIB),
    await store(900, KIB),
  ];
  const engine = await program.start('origin', { HEADEND_STORAGE: azurite.connectionString });
  const base = `http://127.0.0.1:${engine.ports['streaming']}`;
  const paths = {
    'segment of 1 MiB': { path: large.fragmentPath(0), target: 1.3 },
    'segment of 250 KiB': { path: small.fragmentPath(0), target: 1.3 },
    'playlist of 30 segments': { path: small.playlistPath, target: 0.5 },
    'playlist of 900 segments': { path: long.playlistPath, target: 0.5 },
  };
  const files: Record<string, Uint8Array> = {};
  for (const [name, { path }] of Object.entries(paths)) {
    files[fileName(name)] = new Uint8Array(await (await fetch(`${base}${path}`)).arrayBuffer());
  }
  const nginx = await startNginx(files);
  const pid = Number(/"event":"origin.processReady","pid":(\d+)/.exec(engine.log())?.[1]);
  const lines = ['| measured | engine | nginx | ratio | target |', '|---|---|---|---|---|'];
  try {
    for (const [name, { path, target }] of Object.entries(paths)) {
      const ours: WrkResult[] = [];
      const theirs: WrkResult[] = [];
      const load = { connections: CONNECTIONS, seconds: SECONDS };
      await wrk(`${base}${path}`, { ...load, pid }); // until it is compiled
      for (let round = 0; round < ROUNDS; round += 1) {
        ours.push(await wrk(`${base}${path}`, { ...load, pid }));
        theirs.push(await wrk(`${nginx.base}/${fileName(name)}`, { ...load, pid: nginx.pid }));
      }
      lines.push(...rows(`${name} (${files[fileName(name)]?.byteLength} bytes)`, target, ours, theirs));
    }
    lines.push(await scaleUnderLoad(base, small));
  } finally {
    await nginx.stop();
    await program.close();
    await azurite.close();
  }
  return lines.join('\n');
}

const fileName = (name: string): string => name.replaceAll(' ', '-');

function rows(
  name: string,
  target: number,
  ours: readonly WrkResult[],
  theirs: readonly WrkResult[],
): string[] {
  const rate = ({ requestsPerSecond }: WrkResult) => requestsPerSecond;
  const cost = (result: WrkResult) => result.processorMicrosecondsPerRequest;
  const [ourRate, theirRate] = [median(ours.map(rate)), median(theirs.map(rate))];
  const [ourCost, theirCost] = [median(ours.map(cost)), median(theirs.map(cost))];
  const problems = [...ours, ...theirs].map((result) => result.problems).filter((text) => text !== '');
  const verdict = ourRate / theirRate >= target ? 'met' : 'MISSED';
  return [
    `| ${name}, requests/s | ${ourRate.toFixed(0)} | ${theirRate.toFixed(0)} | ${(ourRate / theirRate).toFixed(2)} | ≥ ${target}: ${verdict} |`,
    `| ${name}, processor µs/request | ${ourCost.toFixed(0)} | ${theirCost.toFixed(0)} | ${(theirCost / ourCost).toFixed(2)} | ${problems.join(' ') || '—'} |`,
  ];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function scaleUnderLoad(base: string, show: Awaited<ReturnType<typeof storeShow>>): Promise<string> {
  const paths = Array.from({ length: 8 }, (_, n) => ({
    path: show.fragmentPath(n),
    sizeBytes: show.fragmentBytes(n).byteLength,
  }));
  const load = startLoad(base, { viewers: 100, paths, thinkMs: (viewer) => (viewer % 3 === 0 ? 2_000 : 20) });
  for (const units of [2, 0, 2, 0]) {
    await show.scale(units);
    await new Promise((resolve) => setTimeout(resolve, 12_000));
  }
  const { answered, connections, dropped } = await load.stop();
  return `| scaled 1 → 2 → 1 twice under load: dropped | ${dropped.length} of ${answered} (${connections} connections) | | | 0: ${dropped.length === 0 ? 'met' : 'MISSED'} |`;
}
