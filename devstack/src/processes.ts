import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AzureHost, azureHostSpec } from './azure-host.ts';
import type { CertificateFiles } from './certificates.ts';
import type { DataFolder } from './data-folder.ts';
import type { Environment } from './environment.ts';
import type { Ports } from './flags.ts';
import type { Secrets } from './secrets.ts';
import type { ProcessSpec } from './supervised-process.ts';

export interface Layout {
  readonly folder: DataFolder;
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly certificates: CertificateFiles;
  readonly environment: Environment;
  /** Builds and loads the Functions app anew whenever its source changes. */
  readonly watch: boolean;
  /** Microsoft's Functions host, when it runs the app instead of this project's. */
  readonly azureHost: AzureHost | undefined;
}

export interface ProcessSpecs {
  /** Started first, stopped last. */
  readonly azurite: readonly ProcessSpec[];
  readonly broker: ProcessSpec;
  /** Before the blob port; tells the broker of what clients upload. */
  readonly uploads: ProcessSpec;
  readonly engine: ProcessSpec;
  readonly origin: ProcessSpec;
  readonly host: ProcessSpec;
  readonly page: ProcessSpec;
  /** With `--watch`. */
  readonly builder: ProcessSpec | undefined;
}

export const ACCOUNT_ID =
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/headend/providers/Microsoft.Media/mediaservices/headend';
export const LOCATION = 'local';

/** What storage events come from: in Azure, a system topic of the account. */
const STORAGE_TOPIC =
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/headend/providers/Microsoft.Storage/storageAccounts/devstoreaccount1';

/** Azure waits 10 s before the first retry; whoever restarts his host on a laptop should not. */
const BROKER_TIME_SCALE = 10;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DEVSTACK = fileURLToPath(new URL('./devstack.mjs', import.meta.url));
const ENGINE = path.join(ROOT, 'engine', 'dist', 'engine.mjs');
const BUILDER = path.join(ROOT, 'scripts', 'watch.mjs');
const DEMO_LOOP = path.join(ROOT, 'devstack', 'media', 'demo-loop.flv');

/** Azurite's well-known account: not a secret, it is in its documentation. */
const STORAGE_ACCOUNT = 'devstoreaccount1';
const STORAGE_KEY =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

const STOP_MS = 5000;
/** It saves its tables on the way out. */
const AZURITE_STOP_MS = 15_000;
/** A setting of another Azure account in the user's shell must not reach ours. */
const NOT_INHERITED =
  /^(AZURE_|AZURITE_|AzureWebJobs|HEADEND_|IDENTITY_|MSI_|MEDIA_SERVICES_|STREAMING_BASE_URL|KEY_DELIVERY_BASE_URL|LIVE_PAGE_URL|SECRET_STORE_|npm_)/;

/** What the engine seals secrets with; goes with the storage in the same folder. */
export const masterKeyFile = (folder: DataFolder): string => folder.file('master-keys');

/** The addresses that the programs and their users meet at. */
export function addresses(ports: Ports) {
  const local = (port: number, scheme = 'http') => `${scheme}://127.0.0.1:${port}`;
  return {
    api: `${local(ports.functions)}/api/v1`,
    functions: local(ports.functions),
    page: local(ports.page),
    streaming: local(ports.streaming),
    keyDelivery: `${local(ports.keys)}/${ACCOUNT_ID.split('/').at(-1)}`,
    rtmp: local(ports.rtmp, 'rtmp'),
    arm: local(ports.arm, 'https'),
    identityEndpoint: `${local(ports.identity)}/msi/token`,
    uploads: local(ports.blob),
    broker: local(ports.broker),
    eventGridEndpoint: `${local(ports.broker)}/api/events`,
  } as const;
}

/** How each process of the stack is run. */
export function processSpecs(layout: Layout): ProcessSpecs {
  const { ports, folder, secrets, certificates } = layout;
  const at = addresses(ports);
  const storage = storageConnection(ports);
  const common = {
    ...inherited(layout.environment),
    HEADEND_EXIT_WITH_PARENT: '1',
    NODE_EXTRA_CA_CERTS: certificates.caBundleFile,
  };
  const ours: OurProcess = (name, args, env) => ({
    name,
    args,
    env: { ...common, ...env },
    cwd: ROOT,
    isReady: (line) => line.startsWith('{"ready":true'),
    stopWithinMs: STOP_MS,
  });
  const engineEnv = engineSettings(ports, storage);
  return {
    azurite: (['blob', 'queue', 'table'] as const).map((service) => azurite(service, layout, common)),
    broker: ours('broker', [DEVSTACK, 'broker'], {
      HEADEND_BROKER_PORT: String(ports.broker),
      HEADEND_BROKER_DATA: folder.file('broker'),
      HEADEND_EVENTGRID_KEY: secrets.eventGridKey,
      HEADEND_EVENTGRID_TOPIC: ACCOUNT_ID,
      HEADEND_BROKER_OTHER_TOPICS: STORAGE_TOPIC,
      HEADEND_BROKER_TIME_SCALE: String(BROKER_TIME_SCALE),
      HEADEND_STORAGE: storage,
    }),
    uploads: ours('uploads', [DEVSTACK, 'uploads'], {
      HEADEND_UPLOADS_PORT: String(ports.blob),
      HEADEND_UPLOADS_STORAGE_PORT: String(ports.blobDirect),
      HEADEND_UPLOADS_TOPIC: STORAGE_TOPIC,
      HEADEND_CORS_ORIGINS: at.page,
      HEADEND_STORAGE: storage,
      HEADEND_EVENTGRID_ENDPOINT: at.eventGridEndpoint,
      HEADEND_EVENTGRID_KEY: secrets.eventGridKey,
    }),
    engine: ours('engine', [ENGINE, 'serve', '--roles', 'control,ingest,worker'], {
      ...layout.environment.forEngine,
      ...engineEnv,
      HEADEND_TLS_CERT: certificates.certFile,
      HEADEND_TLS_KEY: certificates.keyFile,
      HEADEND_IDENTITY_SECRET: secrets.identitySecret,
      HEADEND_MASTER_KEY_FILE: masterKeyFile(folder),
      HEADEND_EVENTGRID_ENDPOINT: at.eventGridEndpoint,
      HEADEND_EVENTGRID_KEY: secrets.eventGridKey,
    }),
    origin: ours('origin', [ENGINE, 'serve', '--roles', 'origin,keys'], {
      ...engineEnv,
      HEADEND_MASTER_KEY_FILE: masterKeyFile(folder),
    }),
    host: hostSpec(layout, ours, common),
    page: ours('page', [DEVSTACK, 'page'], {
      HEADEND_PAGE_PORT: String(ports.page),
      HEADEND_API_BASE: at.api,
      HEADEND_STREAMING_BASE: at.streaming,
      HEADEND_KEYS_BASE: at.keyDelivery,
      HEADEND_UPLOAD_BASE: at.uploads,
    }),
    builder: layout.watch ? ours('builder', [BUILDER], {}) : undefined,
  };
}

type OurProcess = (
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
) => ProcessSpec;

function hostSpec(
  layout: Layout,
  ours: OurProcess,
  common: Readonly<Record<string, string | undefined>>,
): ProcessSpec {
  const { ports, secrets, azureHost, folder } = layout;
  const settings = appSettings(layout);
  if (azureHost !== undefined) {
    const env = { ...common, ...settings };
    return azureHostSpec(azureHost, { appDir: ROOT, port: ports.functions, env, stopWithinMs: STOP_MS });
  }
  return ours('host', [DEVSTACK, 'host'], {
    ...settings,
    HEADEND_FUNCTIONS_PORT: String(ports.functions),
    HEADEND_FUNCTIONS_STATE: folder.file('host'),
    HEADEND_FUNCTION_KEY: secrets.functionKey,
    HEADEND_MASTER_KEY: secrets.masterKey,
    HEADEND_EVENTGRID_SYSTEM_KEY: secrets.eventGridSystemKey,
    HEADEND_CORS_ORIGINS: addresses(ports).page,
    HEADEND_FUNCTIONS_WATCH: layout.watch ? '1' : '0',
  });
}

function engineSettings(ports: Ports, storage: string): Readonly<Record<string, string>> {
  return {
    HEADEND_STORAGE: storage,
    HEADEND_PUBLIC_BLOB_ENDPOINT: `${addresses(ports).uploads}/${STORAGE_ACCOUNT}`,
    HEADEND_ACCOUNT_ID: ACCOUNT_ID,
    HEADEND_LOCATION: LOCATION,
    HEADEND_ARM_PORT: String(ports.arm),
    HEADEND_IDENTITY_PORT: String(ports.identity),
    HEADEND_RTMP_PORT: String(ports.rtmp),
    HEADEND_RTMP_BACKUP_PORT: String(ports.rtmpBackup),
    HEADEND_RTMPS_PORT: String(ports.rtmps),
    HEADEND_RTMPS_BACKUP_PORT: String(ports.rtmpsBackup),
    HEADEND_SMOOTH_PORT: String(ports.smooth),
    HEADEND_FEED_PORT: String(ports.feed),
    HEADEND_STREAMING_PORT: String(ports.streaming),
    HEADEND_KEYS_PORT: String(ports.keys),
  };
}

/** Pushes the loop that comes with the repository, for as long as the stack runs. */
export function publisherSpec(layout: Layout, server: string): ProcessSpec {
  return {
    name: 'publisher',
    args: [ENGINE, 'publish', '--url', `${server}/main`, '--file', DEMO_LOOP, '--loop'],
    env: { ...inherited(layout.environment), HEADEND_EXIT_WITH_PARENT: '1' },
    cwd: ROOT,
    isReady: (line) => line.startsWith('{"ready":true'),
    stopWithinMs: STOP_MS,
  };
}

function azurite(
  service: 'blob' | 'queue' | 'table',
  { folder, ports }: Layout,
  common: Readonly<Record<string, string | undefined>>,
): ProcessSpec {
  const location = folder.file('azurite', service);
  mkdirSync(location, { recursive: true, mode: 0o700 });
  return {
    name: `azurite-${service}`,
    args: [
      DEVSTACK,
      'azurite',
      service,
      `--${service}Host`,
      '127.0.0.1',
      `--${service}Port`,
      String(portOf(service, ports)),
      '--location',
      location,
      '--silent',
      '--loose',
      '--disableTelemetry',
      '--skipApiVersionCheck',
      '--disableProductStyleUrl',
    ],
    env: common,
    // The table service words it differently from the two others.
    isReady: (line) => /successfully (listens|started) on/.test(line),
    stopWithinMs: AZURITE_STOP_MS,
  };
}

function appSettings({ ports, secrets, folder }: Layout): Readonly<Record<string, string>> {
  const at = addresses(ports);
  return {
    AZURE_FUNCTIONS_ENVIRONMENT: 'Development',
    FUNCTIONS_WORKER_RUNTIME: 'node',
    AzureWebJobsStorage: storageConnection(ports),
    MEDIA_SERVICES_ENDPOINT: at.arm,
    MEDIA_SERVICES_ACCOUNT_ID: ACCOUNT_ID,
    MEDIA_SERVICES_LOCATION: LOCATION,
    STREAMING_BASE_URL: at.streaming,
    KEY_DELIVERY_BASE_URL: at.keyDelivery,
    LIVE_PAGE_URL: `${at.page}/`,
    SECRET_STORE_PATH: folder.file('app-secrets'),
    IDENTITY_ENDPOINT: at.identityEndpoint,
    IDENTITY_HEADER: secrets.identitySecret,
  };
}

/** Where Azurite listens: what Headend itself stores makes no events and takes no way round. */
const portOf = (service: 'blob' | 'queue' | 'table', ports: Ports): number =>
  service === 'blob' ? ports.blobDirect : ports[service];

function storageConnection(ports: Ports): string {
  const endpoint = (service: 'blob' | 'queue' | 'table') =>
    `http://127.0.0.1:${portOf(service, ports)}/${STORAGE_ACCOUNT}`;
  return [
    'DefaultEndpointsProtocol=http',
    `AccountName=${STORAGE_ACCOUNT}`,
    `AccountKey=${STORAGE_KEY}`,
    `BlobEndpoint=${endpoint('blob')}`,
    `QueueEndpoint=${endpoint('queue')}`,
    `TableEndpoint=${endpoint('table')}`,
    '',
  ].join(';');
}

function inherited({ variables }: Environment): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !NOT_INHERITED.test(name)));
}
