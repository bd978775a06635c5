import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { LogLevelSettings, type LogLevels, openLogLevels } from './log-levels.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

export interface HostKeys {
  readonly master: string;
  /** Opens every function of level `function`. */
  readonly function: string;
  /** The system key `eventgrid_extension`. */
  readonly eventGrid: string;
}

export interface QueueSettings {
  readonly batchSize: number;
  readonly newBatchThreshold: number;
  readonly visibilityTimeoutSeconds: number;
  readonly maxDequeueCount: number;
  readonly maxPollingIntervalMs: number;
  readonly encoding: 'base64' | 'none';
  readonly leaseMs: number;
}

export interface HostSettings {
  readonly appDir: string;
  readonly port: number;
  /** Where timers remember what is due; without it, runs missed while the host is down are not made up. */
  readonly stateDir: string | undefined;
  readonly keys: HostKeys;
  readonly corsOrigins: readonly string[];
  readonly corsCredentials: boolean;
  readonly routePrefix: string;
  /** Running and waiting together; one more is answered 429. */
  readonly outstandingRequestsMax: number;
  /** Of functions with HTTP triggers that run at once; the others wait. */
  readonly concurrentRequestsMax: number;
  readonly bodyBytesMax: number;
  readonly functionTimeoutMs: number;
  readonly queues: QueueSettings;
  readonly logLevels: LogLevels;
  /** Loads the app anew when its entry file changes. */
  readonly watch: boolean;
  /** The app's environment: `Values` of local.settings.json, overridden by the shell's. */
  readonly env: Variables;
}

const PORT_DEFAULT = 7071;
// ScriptConstants.cs: DefaultMaxRequestBodySize.
const BODY_BYTES_MAX = 100 * 1024 * 1024;
// -1 in host.json means unbounded; nothing is unbounded here.
const OUTSTANDING_REQUESTS_MAX = 1000;
const FUNCTION_TIMEOUT_MS = 30 * 60_000;
// "-1" is no limit; a day is as good as none on a laptop.
const FUNCTION_TIMEOUT_MS_MAX = 24 * 3_600_000;
// QueueProcessor: the lease of a message is fixed.
const QUEUE_LEASE_MS = 600_000;
// QueuesOptionsSetup: 2 s in Development.
const POLLING_INTERVAL_MS = 2000;
const GENERATED_KEY_BYTES = 32;

const Duration = z.string().transform((text, context) => {
  if (text === '-1') return FUNCTION_TIMEOUT_MS_MAX;
  const found = /^(?:(\d{1,3})\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?$/.exec(text);
  if (found === null) {
    context.addIssue({ code: 'custom', message: `"${text}" is not a time span (hh:mm:ss)` });
    return z.NEVER;
  }
  const [days, hours, minutes, seconds] = found.slice(1, 5).map((part) => Number(part ?? 0));
  const whole = (((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0);
  return (whole + Number(`0.${found[5] ?? 0}`)) * 1000;
});

const HostJson = z.object({
  version: z.literal('2.0'),
  functionTimeout: Duration.optional(),
  logging: z.object({ logLevel: LogLevelSettings.optional() }).optional(),
  extensions: z
    .object({
      http: z
        .object({
          routePrefix: z.string().optional(),
          maxOutstandingRequests: z.int().optional(),
          maxConcurrentRequests: z.int().optional(),
        })
        .optional(),
      queues: z
        .object({
          batchSize: z.int().min(1).max(32).default(16),
          newBatchThreshold: z.int().min(0).max(1000).optional(),
          visibilityTimeout: Duration.optional(),
          maxDequeueCount: z.int().min(1).max(100).default(5),
          maxPollingInterval: Duration.optional(),
          messageEncoding: z.enum(['base64', 'none']).default('base64'),
        })
        .optional(),
    })
    .optional(),
});

const LocalSettings = z.object({
  IsEncrypted: z.literal(false, 'is true: decrypt the file first (func settings decrypt)').optional(),
  Values: z.record(z.string(), z.string()).default({}),
  Host: z
    .object({
      LocalHttpPort: z.int().optional(),
      CORS: z.string().optional(),
      CORSCredentials: z.boolean().optional(),
    })
    .optional(),
});

const Flags = z.object({
  app: z.string().optional(),
  port: z.coerce.number().int().min(0).max(65_535).optional(),
  state: z.string().optional(),
  secrets: z.string().optional(),
  cors: z.string().optional(),
  'queue-lease-ms': z.coerce.number().int().min(1000).optional(),
  watch: z.boolean().optional(),
});

const KeyFile = z.object({
  masterKey: z.string().min(16),
  functionKey: z.string().min(16),
  eventGridSystemKey: z.string().min(16),
});

export type HostFlags = z.input<typeof Flags>;

/**
 * Reads flags, environment, host.json and local.settings.json of the app folder; flags win over the environment, the
 * environment over local.settings.json. Throws with everything that is wrong in one of them.
 */
export function readHostSettings(rawFlags: HostFlags, variables: Variables): HostSettings {
  const flags = Flags.parse(rawFlags);
  const appDir = resolve(flags.app ?? variables['HEADEND_FUNCTIONS_APP'] ?? '.');
  const host = HostJson.parse(readJsonFile(join(appDir, 'host.json')));
  const localFile = join(appDir, 'local.settings.json');
  const local = LocalSettings.parse(existsSync(localFile) ? readJsonFile(localFile) : {});
  const port = flags.port ?? optionalPort(variables['HEADEND_FUNCTIONS_PORT']) ?? local.Host?.LocalHttpPort;
  const cors = flags.cors ?? variables['HEADEND_CORS_ORIGINS'] ?? local.Host?.CORS ?? '';
  const state = flags.state ?? variables['HEADEND_FUNCTIONS_STATE'];
  const http = host.extensions?.http;
  return {
    appDir,
    port: port ?? PORT_DEFAULT,
    stateDir: state === undefined ? undefined : resolve(state),
    keys: readKeys(flags.secrets, variables),
    corsOrigins: cors.split(',').flatMap((origin) => origin.trim() || []),
    corsCredentials: local.Host?.CORSCredentials ?? false,
    routePrefix: http?.routePrefix ?? 'api',
    outstandingRequestsMax: bounded(http?.maxOutstandingRequests),
    concurrentRequestsMax: bounded(http?.maxConcurrentRequests),
    bodyBytesMax: BODY_BYTES_MAX,
    functionTimeoutMs: host.functionTimeout ?? FUNCTION_TIMEOUT_MS,
    queues: queueSettings(host, flags['queue-lease-ms']),
    logLevels: openLogLevels(host.logging?.logLevel ?? {}),
    watch: flags.watch ?? variables['HEADEND_FUNCTIONS_WATCH'] === '1',
    env: {
      ...local.Values,
      AZURE_FUNCTIONS_ENVIRONMENT: 'Development',
      FUNCTIONS_WORKER_RUNTIME: 'node',
      ...withoutHostSecrets(variables),
    },
  };
}

function bounded(requests = -1): number {
  return requests < 0 ? OUTSTANDING_REQUESTS_MAX : Math.min(requests, OUTSTANDING_REQUESTS_MAX);
}

function queueSettings(host: z.infer<typeof HostJson>, leaseMs: number | undefined): QueueSettings {
  const queues = host.extensions?.queues;
  const batchSize = queues?.batchSize ?? 16;
  return {
    batchSize,
    newBatchThreshold: queues?.newBatchThreshold ?? Math.floor(batchSize / 2) * availableParallelism(),
    visibilityTimeoutSeconds: Math.ceil((queues?.visibilityTimeout ?? 0) / 1000),
    maxDequeueCount: queues?.maxDequeueCount ?? 5,
    maxPollingIntervalMs: Math.max(queues?.maxPollingInterval ?? POLLING_INTERVAL_MS, 100),
    encoding: queues?.messageEncoding ?? 'base64',
    leaseMs: leaseMs ?? QUEUE_LEASE_MS,
  };
}

/** From the file, else the environment; a key given nowhere is random, so nothing is ever open by omission. */
function readKeys(file: string | undefined, variables: Variables): HostKeys {
  if (file !== undefined) {
    const keys = KeyFile.parse(readJsonFile(file));
    return { master: keys.masterKey, function: keys.functionKey, eventGrid: keys.eventGridSystemKey };
  }
  const generated = () => randomBytes(GENERATED_KEY_BYTES).toString('base64url');
  return {
    master: variables['HEADEND_MASTER_KEY'] || generated(),
    function: variables['HEADEND_FUNCTION_KEY'] || generated(),
    eventGrid: variables['HEADEND_EVENTGRID_SYSTEM_KEY'] || generated(),
  };
}

/** The app never sees the host's keys, as on Azure. */
function withoutHostSecrets(variables: Variables): Variables {
  const own = ['HEADEND_MASTER_KEY', 'HEADEND_FUNCTION_KEY', 'HEADEND_EVENTGRID_SYSTEM_KEY'];
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !own.includes(name)));
}

function optionalPort(text: string | undefined): number | undefined {
  return text === undefined || text === ''
    ? undefined
    : z.coerce.number().int().min(0).max(65_535).parse(text);
}

function readJsonFile(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} cannot be read as JSON`, { cause: error });
  }
}

/** `%NAME%` in a binding is the app setting of that name. Throws for one that is not set. */
export function expandSettings(text: string, env: Variables): string {
  return text.replaceAll(/%([^%]+)%/g, (_, name: string) => {
    const value = env[name];
    if (value === undefined) throw new Error(`the app setting "${name}" is not set`);
    return value;
  });
}
