import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type BadFile, makeBadFiles } from '../support/bad-media.ts';
import type { RunningEngine } from '../support/engine-program.ts';
import { AT, type JobStack, startJobStack } from '../support/job-stack.ts';
import { until } from '../support/programs.ts';

/** 200 in the nightly run. */
const COUNT = Number(process.env['HEADEND_BAD_FILES'] ?? 20);
const START_MS_MAX = 240_000;
const CASE_MS_MAX = 60_000 + COUNT * 20_000;
const JOB_MS_MAX = 300_000;
const AT_ONCE = 8;

let stack: JobStack;
let worker: RunningEngine;
let files: readonly BadFile[];

beforeAll(async () => {
  stack = await startJobStack({ HEADEND_WORKER_UNITS_MAX: '4' });
  [worker, files] = await Promise.all([stack.startWorker(), makeBadFiles(stack.folder, COUNT)]);
  await stack.scale(4);
}, START_MS_MAX);

afterAll(async () => {
  await stack?.close();
});

describe('bad inputs', () => {
  it(
    'end their jobs with the right error, and no worker',
    async () => {
      const ends = new Map<string, string>();
      const waiting = [...files.entries()];
      const runSome = async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const [index, file] = next;
          ends.set(file.name, await endOf(`bad-${index}`, file));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, runSome));
      const wrong = files.filter(({ name, ends: may }) => !may.includes(ends.get(name) ?? ''));
      expect(wrong.map(({ name }) => [name, ends.get(name)])).toEqual([]);
      expect(worker.log()).not.toMatch(/"level":"error"/);
      await until(async () => (await stack.leftOver()).length === 0, 'an empty container of the jobs');
      if (process.env['PRINT_FIGURES'] !== undefined) process.stderr.write(`${figures(ends)}\n`);
    },
    CASE_MS_MAX,
  );
});

async function endOf(name: string, { name: blob, bytes }: BadFile): Promise<string> {
  const { assets, transforms } = stack.arm.client;
  await stack.upload(name, { [blob]: bytes });
  const preset = {
    odataType: '#Microsoft.Media.BuiltInStandardEncoderPreset',
    presetName: 'AdaptiveStreaming',
  };
  await stack.runJob(name, { preset, input: name });
  const job = await stack.ended(name, JOB_MS_MAX);
  const error = job.outputs?.[0]?.error;
  const written = Object.keys(await stack.blobsOf(`${name}-out`));
  if (job.state === 'Error' && written.length > 0) return `left ${written.join()}`;
  const told = JSON.stringify(error ?? '');
  if (/\/tmp|headend-run|root:x/.test(told)) return `told ${told}`;
  await transforms.delete(...AT, name);
  await Promise.all([name, `${name}-out`].map((asset) => assets.delete(...AT, asset)));
  return error?.code ?? job.state ?? '';
}

function figures(ends: ReadonlyMap<string, string>): string {
  const counts = new Map<string, number>();
  for (const end of ends.values()) counts.set(end, (counts.get(end) ?? 0) + 1);
  return JSON.stringify(Object.fromEntries(counts));
}
