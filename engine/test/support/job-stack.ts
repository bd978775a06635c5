import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@azure/arm-mediaservices';
import { BlobServiceClient, ContainerClient } from '@azure/storage-blob';
import { ACCOUNT, GROUP } from './arm-client.ts';
import { type ArmStack, startArmStack } from './arm-stack.ts';
import type { RunningEngine } from './engine-program.ts';

export const AT = [GROUP, ACCOUNT] as const;
const LOOK_MS = 100;
const CAPACITY = '/encodingCapacity/default/scale?api-version=2022-07-01';

/** An engine as users reach it, with workers in processes of their own. */
export interface JobStack {
  readonly arm: ArmStack;
  /** Where workers have their working folders. */
  readonly scratchPath: string;
  /** Of the machine or container that media is made in. */
  readonly folder: string;
  startWorker(env?: Readonly<Record<string, string>>): Promise<RunningEngine>;
  /** As many jobs, and parts of jobs, at the same time. */
  scale(encodingUnits: number): Promise<void>;
  /** Makes an asset and puts files into it, as users do, by a SAS. */
  upload(assetName: string, files: Readonly<Record<string, string | Buffer>>): Promise<void>;
  blobsOf(assetName: string): Promise<Record<string, number>>;
  download(assetName: string, blob: string): Promise<string>;
  /** Names of blobs that jobs have left in the engine's own container. */
  leftOver(): Promise<readonly string[]>;
  /** Names of what is in the scratch folder. */
  inScratch(): Promise<readonly string[]>;
  runJob(name: string, job: { preset: object; input: string | object; output?: string }): Promise<void>;
  /** Looks every `lookMs`, which costs the machine something. */
  ended(name: string, withinMs: number, lookMs?: number): Promise<Job>;
  close(): Promise<void>;
}

export async function startJobStack(env: Readonly<Record<string, string>> = {}): Promise<JobStack> {
  const [arm, folder] = await Promise.all([startArmStack(env), mkdtemp(join(tmpdir(), 'headend-jobs-'))]);
  const scratchPath = join(folder, 'scratch');
  const { assets, jobs, transforms } = arm.client;
  const engineBlobs = () => BlobServiceClient.fromConnectionString(arm.azurite.connectionString);
  const containerOf = async (assetName: string): Promise<ContainerClient> => {
    const { assetContainerSasUrls: [url = ''] = [] } = await assets.listContainerSas(...AT, assetName, {
      permissions: 'ReadWriteDelete',
      expiryTime: new Date(Date.now() + 3_600_000),
    });
    return new ContainerClient(url);
  };
  return {
    arm,
    scratchPath,
    folder,
    startWorker: (extra = {}) =>
      arm.program.start('worker', {
        HEADEND_STORAGE: arm.azurite.connectionString,
        HEADEND_SCRATCH_PATH: scratchPath,
        ...env,
        ...extra,
      }),
    async scale(encodingUnits) {
      const { status } = await arm.raw('POST', CAPACITY, JSON.stringify({ encodingUnits }));
      if (status >= 300) throw new Error(`scaling: ${status}`);
    },
    async upload(assetName, files) {
      await assets.createOrUpdate(...AT, assetName, {});
      const container = await containerOf(assetName);
      for (const [name, file] of Object.entries(files)) {
        const bytes = typeof file === 'string' ? await readFile(file) : file;
        await container.getBlockBlobClient(name).uploadData(bytes);
      }
    },
    async blobsOf(assetName) {
      const found: Record<string, number> = {};
      const options = { includeUncommitedBlobs: false };
      for await (const blob of (await containerOf(assetName)).listBlobsFlat(options)) {
        found[blob.name] = blob.properties.contentLength ?? -1;
      }
      return found;
    },
    async download(assetName, blob) {
      const path = join(folder, `${assetName}-${blob.replaceAll('/', '-')}`);
      await (await containerOf(assetName)).getBlobClient(blob).downloadToFile(path);
      return path;
    },
    async leftOver() {
      const container = engineBlobs().getContainerClient(`headend-jobs-${ACCOUNT}`);
      if (!(await container.exists())) return [];
      const names: string[] = [];
      for await (const { name } of container.listBlobsFlat()) names.push(name);
      return names;
    },
    inScratch: () => readdir(scratchPath).catch(() => []),
    async runJob(name, { preset, input, output = `${name}-out` }) {
      await assets.createOrUpdate(...AT, output, {});
      // Whatever the SDK's types say of a preset, the service reads it as it is sent.
      await transforms.createOrUpdate(...AT, name, { outputs: [{ preset: preset as never }] });
      await jobs.create(...AT, name, name, {
        input:
          typeof input === 'string'
            ? { odataType: '#Microsoft.Media.JobInputAsset', assetName: input }
            : (input as never),
        outputs: [{ odataType: '#Microsoft.Media.JobOutputAsset', assetName: output }],
      });
    },
    async ended(name, withinMs, lookMs = LOOK_MS) {
      for (const beganAtMs = Date.now(); Date.now() - beganAtMs < withinMs; ) {
        const job = await jobs.get(...AT, name, name);
        if (['Finished', 'Error', 'Canceled'].includes(job.state ?? '')) return job;
        await new Promise((resolve) => setTimeout(resolve, lookMs));
      }
      throw new Error(`the job ${name} did not end in ${withinMs} ms`);
    },
    async close() {
      await arm.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
