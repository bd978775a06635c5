import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AzureMediaServices } from '@azure/arm-mediaservices';
import type { MediaClient } from '../../src/lib/adapters/media-services/media-client.ts';

const PROGRAM = fileURLToPath(new URL('../../engine/dist/engine.mjs', import.meta.url));
const SECRET = 'identity-secret-of-this-test-run';
const SUBSCRIPTION = '00000000-0000-0000-0000-000000000001';

export interface Engine {
  readonly client: MediaClient;
  close(): Promise<void>;
}

/** The built engine in a process of its own, and an SDK client that trusts its certificate. */
export async function startEngine(storage: string, streamingPort = 0, roles = 'control'): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-app-test-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await promisify(execFile)('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert]);
  const masterKeys = join(folder, 'master-keys');
  await writeFile(masterKeys, randomBytes(32).toString('base64'));
  const ports = ['ARM', 'IDENTITY', 'RTMP', 'FEED', 'STREAMING'].map((name) => [`HEADEND_${name}_PORT`, '0']);
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--roles', roles], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...Object.fromEntries(ports),
      // Where FFmpeg is.
      PATH: process.env['PATH'],
      HEADEND_STORAGE: storage,
      HEADEND_PUBLIC_STREAMING_PORT: `${streamingPort || 8888}`,
      HEADEND_TLS_CERT: cert,
      HEADEND_TLS_KEY: key,
      HEADEND_IDENTITY_SECRET: SECRET,
      HEADEND_MASTER_KEY_FILE: masterKeys,
      HEADEND_EXIT_WITH_PARENT: '1',
    },
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = `${errors}${chunk}`.slice(-20_000);
  });
  const exited = once(child, 'exit');
  const line = await Promise.race([
    once(child.stdout, 'data').then(([chunk]) => String(chunk)),
    exited.then(() => Promise.reject(new Error(`the engine ended: ${errors}`))),
  ]);
  const ready: { arm: number; identity: number } = JSON.parse(line.split('\n')[0] ?? '');
  const endpoint = `https://127.0.0.1:${ready.arm}`;
  const token = async () => {
    const url = `http://127.0.0.1:${ready.identity}/msi/token?api-version=2019-08-01&resource=https://management.core.windows.net/`;
    const answer = await fetch(url, { headers: { 'x-identity-header': SECRET } });
    const { access_token } = (await answer.json()) as { access_token: string };
    return { token: access_token, expiresOnTimestamp: Date.now() + 3_600_000 };
  };
  const sdk = new AzureMediaServices({ getToken: token }, SUBSCRIPTION, {
    endpoint,
    $host: endpoint,
    credentialScopes: 'https://management.azure.com/.default',
    tlsOptions: { ca: await readFile(cert, 'utf8') },
    retryOptions: { maxRetries: 0 },
  });
  return {
    client: { sdk, resourceGroup: 'headend', account: 'headend', location: 'local' },
    async close() {
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
