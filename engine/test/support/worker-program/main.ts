// A worker as it is shipped but for its encoder, to be killed in the middle of its work (`worker-program.ts` builds it).
import { setTimeout as sleep } from 'node:timers/promises';
import { BlobServiceClient } from '@azure/storage-blob';
import { outboxRow } from '../../../src/events/outbox.ts';
import { openHeadendTable } from '../../../src/store/headend-table.ts';
import { openJobQueues } from '../../../src/store/job-queues.ts';
import type { Encoder } from '../../../src/worker/encoders.ts';
import { Worker } from '../../../src/worker/worker.ts';

const STEPS = 4;

interface Settings {
  readonly connectionString: string;
  readonly account: string;
  readonly worker: string;
  readonly container: string;
  readonly stepMs: number;
  readonly unitsMax: number;
  readonly timing: { readonly leaseMs: number; readonly renewMs: number; readonly lookMs: number };
}

/** Appends a line of what it does to a blob of the output's: nothing that is written can be taken back. */
function appendingEncoder({ connectionString, container, stepMs, worker }: Settings): Encoder {
  const folder = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(container);
  return {
    async encode({ jobName, label }, { signal, progress }) {
      const blob = folder.getAppendBlobClient(`${jobName}/${label}`);
      await blob.createIfNotExists();
      const say = async (what: string) => {
        const line = `${JSON.stringify({ worker, what })}\n`;
        await blob.appendBlock(line, Buffer.byteLength(line), { abortSignal: signal });
      };
      await say('begin');
      for (let step = 1; step <= STEPS; step += 1) {
        await sleep(stepMs, undefined, { signal });
        await say('step');
        progress((100 * step) / STEPS);
      }
      await say('end');
      return jobName.startsWith('faulty')
        ? {
            code: 'ContentMalformed',
            message: 'the input is no video',
            category: 'Content',
            retry: 'DoNotRetry',
            details: [],
          }
        : undefined;
    },
  };
}

async function main(): Promise<void> {
  // The test's own settings, from `worker-program.ts`.
  const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
  const log = (level: string) => (event: string, fields?: object) => {
    const text = (_key: string, value: unknown) => (value instanceof Error ? String(value.stack) : value);
    process.stderr.write(`${JSON.stringify({ level, event, ...fields }, text)}\n`);
  };
  const logs = { info: log('info'), warn: log('warn'), error: log('error') };
  const encoder = appendingEncoder(settings);
  const worker = new Worker({
    store: await openHeadendTable(settings.connectionString, settings.account),
    events: {
      change: (event) => ({ kind: 'create', ...outboxRow(event, Date.now()) }),
      wake: () => undefined,
    },
    queue: openJobQueues(settings.connectionString, settings.account, logs),
    encoders: { find: (preset) => (preset['@odata.type'].includes('Builtin') ? undefined : encoder) },
    makePart: () => Promise.resolve('there'),
    worker: settings.worker,
    unitsMax: settings.unitsMax,
    log: logs,
    timing: settings.timing,
  });
  process.stdout.write('{"ready":true}\n');
  process.once('SIGTERM', () => {
    worker.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
  process.stdin.once('end', () => process.exit(0)).resume();
}

await main();
