import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';

// Azurite's well-known account, from its documentation.
const ACCOUNT = 'devstoreaccount1';
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export interface Azurite {
  readonly connectionString: string;
  close(): Promise<void>;
}

/** A fresh in-memory Azurite on free ports. */
export async function startAzurite(): Promise<Azurite> {
  const script = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js');
  const args = ['--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry'];
  const ports = ['blob', 'queue', 'table'].flatMap((name) => [`--${name}Port`, '0']);
  const child = spawn(process.execPath, [script, ...args, ...ports], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  while ((text.match(/successfully listen/g) ?? []).length < 3)
    text += String((await once(child.stdout, 'data'))[0]);
  const endpoints = ['Blob', 'Queue', 'Table'].map((name) => {
    const pattern = `Azurite ${name} service is successfully listening at (http://127\\.0\\.0\\.1:\\d+)`;
    return `${name}Endpoint=${new RegExp(pattern).exec(text)?.[1]}/${ACCOUNT}`;
  });
  return {
    connectionString: `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};${endpoints.join(';')}`,
    async close() {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}
