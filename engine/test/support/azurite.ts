import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export interface AzuriteAccount {
  readonly name: string;
  readonly blobEndpoint: string;
  readonly key1: string;
  readonly key2: string;
}

export interface Azurite {
  readonly connectionString: string;
  /** The engine's own account and a second one, each with two keys. */
  readonly accounts: { readonly own: AzuriteAccount; readonly second: AzuriteAccount };
  /** Connections are taken but nothing is answered, until `resume`. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

const ACCOUNT = 'devstoreaccount1';
// Azurite's well-known key, from its documentation.
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const OWN = { name: ACCOUNT, key1: KEY, key2: keyOf('own 2') };
const SECOND = { name: 'secondstore', key1: keyOf('second 1'), key2: keyOf('second 2') };
const START_TIMEOUT_MS = 60_000;
/** From here and from the programs that are built of the tests (`engine/dist/{bench,…}`) alike. */
const ROW_INDEX = fileURLToPath(new URL('../../test/support/azurite-row-index.cjs', import.meta.url));

/** A fresh in-memory Azurite on free ports. */
export async function startAzurite(): Promise<Azurite> {
  const script = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js');
  const flags = ['--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry'];
  const ports = ['--blobPort', '0', '--queuePort', '0', '--tablePort', '0'];
  const child = spawn(process.execPath, ['--require', ROW_INDEX, script, ...flags, ...ports], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      AZURITE_ACCOUNTS: [OWN, SECOND].map(({ name, key1, key2 }) => `${name}:${key1}:${key2}`).join(';'),
    },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const found = new Map<string, string>();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error('Azurite did not start in time'));
    }, START_TIMEOUT_MS);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output = `${output}${chunk}`.slice(-8192);
      const announced = /Azurite (\w+) service is successfully listening at (\S+)/g;
      for (const [, service = '', url = ''] of output.matchAll(announced)) {
        found.set(service, url);
      }
      if (found.size < 3) return;
      clearTimeout(timer);
      resolve();
    });
    exited.then(() => reject(new Error(`Azurite ended: ${output}`))).catch(reject);
  });
  const account = (keys: typeof OWN) => ({ ...keys, blobEndpoint: `${found.get('Blob')}/${keys.name}` });
  const endpoint = (service: string) => `${service}Endpoint=${found.get(service)}/${ACCOUNT}`;
  return {
    connectionString: [
      'DefaultEndpointsProtocol=http',
      `AccountName=${ACCOUNT}`,
      `AccountKey=${KEY}`,
      ...['Blob', 'Queue', 'Table'].map(endpoint),
    ].join(';'),
    accounts: { own: account(OWN), second: account(SECOND) },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async close() {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** As long as Azure's. */
function keyOf(text: string): string {
  return createHash('sha512').update(text).digest('base64');
}
