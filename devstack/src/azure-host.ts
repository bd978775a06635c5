import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Secrets } from './secrets.ts';
import type { ProcessSpec } from './supervised-process.ts';

/** Microsoft's Functions host, its Node worker and its extensions, in `host/`, `worker/` and `bundle/` of one folder. */
export interface AzureHost {
  readonly kind: 'found';
  readonly executable: string;
  /** With worker.config.json. */
  readonly workerDir: string;
  /** With `{version}/bundle.json`. */
  readonly bundleDir: string;
}

export interface AzureHostMissing {
  readonly kind: 'missing';
  readonly sentence: string;
}

const EXECUTABLE = 'Microsoft.Azure.WebJobs.Script.WebHost';
const DEPTH_MAX = 8;
const ENTRIES_MAX = 5000;

/** What of Microsoft's host is in the folder; a sentence for the user when it is not all there. */
export async function findAzureHost(folder: string): Promise<AzureHost | AzureHostMissing> {
  const [executable, worker, bundle] = await Promise.all([
    findFile(path.join(folder, 'host'), [EXECUTABLE, `${EXECUTABLE}.exe`]),
    findFile(path.join(folder, 'worker'), ['worker.config.json']),
    findFile(path.join(folder, 'bundle'), ['bundle.json']),
  ]);
  if (executable !== undefined && worker !== undefined && bundle !== undefined) {
    return {
      kind: 'found',
      executable,
      workerDir: path.dirname(worker),
      bundleDir: path.dirname(path.dirname(bundle)),
    };
  }
  const missing = [
    ...(executable === undefined ? [`host/…/${EXECUTABLE}`] : []),
    ...(worker === undefined ? ['worker/…/worker.config.json'] : []),
    ...(bundle === undefined ? ['bundle/…/bundle.json'] : []),
  ];
  const sentence =
    `Microsoft's Functions host is not here: ${folder} has no ${missing.join(' and no ')}. ` +
    'node scripts/fetch-azure-host.mjs tries to fetch it; HEADEND_AZURE_HOST names another folder; ' +
    'without --host the app runs on the host of this project.';
  return { kind: 'missing', sentence };
}

/** How it is started. It stops when its stdin closes, which is what the supervisor's children do anyway. */
export function azureHostSpec(
  host: AzureHost,
  app: {
    readonly appDir: string;
    readonly port: number;
    /** The app's settings; the shell's have won already. */
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly stopWithinMs: number;
  },
): ProcessSpec {
  return {
    name: 'host',
    command: host.executable,
    args: ['--urls', `http://127.0.0.1:${app.port}`],
    cwd: app.appDir,
    env: {
      ...app.env,
      AzureWebJobsScriptRoot: app.appDir,
      AZURE_FUNCTIONS_ENVIRONMENT: 'Development',
      FUNCTIONS_WORKER_RUNTIME: 'node',
      languageWorkers__node__workerDirectory: host.workerDir,
      AzureFunctionsJobHost__extensionBundle__downloadPath: host.bundleDir,
      AzureFunctionsJobHost__extensionBundle__ensureLatest: 'false',
      AzureWebJobsSecretStorageType: 'files',
      DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: '1',
    },
    isReady: (line) => line.includes('Application started'),
    stopWithinMs: app.stopWithinMs,
  };
}

/** The keys that the stack made, where a host with secret storage `files` that is not on App Service reads them. */
export async function seedAzureHostKeys(host: AzureHost, secrets: Secrets): Promise<void> {
  const folder = path.join(path.dirname(host.executable), 'Secrets');
  const key = (name: string, value: string) => ({ name, value, encrypted: false });
  const keys = {
    masterKey: key('master', secrets.masterKey),
    functionKeys: [key('default', secrets.functionKey)],
    systemKeys: [key('eventgrid_extension', secrets.eventGridSystemKey)],
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(path.join(folder, 'host.json'), JSON.stringify(keys), { mode: 0o600 });
}

/** Nearest first: packages put their payload some folders down. */
async function findFile(root: string, names: readonly string[]): Promise<string | undefined> {
  let level = [root];
  let seen = 0;
  for (let depth = 0; depth < DEPTH_MAX && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const folder of level) {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      const found = entries.find((entry) => entry.isFile() && names.includes(entry.name));
      if (found !== undefined) return path.join(folder, found.name);
      next.push(...entries.filter((entry) => entry.isDirectory()).map(({ name }) => path.join(folder, name)));
      seen += entries.length;
      if (seen > ENTRIES_MAX) return undefined;
    }
    level = next;
  }
  return undefined;
}
