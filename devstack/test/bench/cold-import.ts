import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Figure, spread } from './report.ts';

const PACKAGE = fileURLToPath(new URL('../../../dist/package/dist/app.cjs', import.meta.url));
const RUNS = 10;

/** What a cold start of the Functions app spends on loading the deployed file, in a new process each time. */
export async function benchColdImport(): Promise<Figure[]> {
  const script = `const t=process.hrtime.bigint();require(${JSON.stringify(PACKAGE)});process.stdout.write(String(Number(process.hrtime.bigint()-t)/1e6))`;
  const milliseconds: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
    milliseconds.push(Number(stdout));
  }
  return [
    {
      what: 'cold import of the packaged app, ms',
      measured: spread(milliseconds),
      target: '—',
      met: undefined,
    },
  ];
}
