import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { ACCOUNTS_MAX_DEFAULT } from '../resources/account.ts';
import type { KeyDeliveryTemplate } from '../resources/key-delivery-addresses.ts';
import { QUOTA_RULES, type Quotas } from '../resources/quotas.ts';
import { type IdentityConfig, readIdentity } from './identity-config.ts';
import { type KeysConfig, readKeys } from './keys-config.ts';
import { readMasterKeys } from './master-key-config.ts';
import { type OriginConfig, readOrigin } from './origin-config.ts';
import { Secret } from './secret.ts';
import { type Environment, type Reader, settingsReader } from './settings-reader.ts';
import { readWorkerConfig, type WorkerConfig } from './worker-config.ts';

export type Role = 'control' | 'ingest' | 'origin' | 'keys' | 'worker';

const ROLES: readonly Role[] = ['control', 'ingest', 'origin', 'keys', 'worker'];

export interface EngineConfig {
  readonly roles: readonly Role[];
  /** Every listener binds here. */
  readonly bindAddress: string;
  /** A storage connection string. */
  readonly storage: Secret;
  /** Path of the file with the other storage accounts and their keys (`storage-settings.ts`). */
  readonly storageAccountsFile: string | undefined;
  /** The own storage account's blobs as others reach them, for the SAS addresses that they get; undefined: as in `storage`. */
  readonly publicBlobEndpoint: string | undefined;
  /** Path of the file with the topics of other accounts than the own (`event-topics.ts`). */
  readonly eventTopicsFile: string | undefined;
  /** As given, with its letter case; compare without. */
  readonly accountId: string;
  readonly location: string;
  readonly ports: {
    readonly arm: number;
    readonly identity: number;
    readonly rtmp: number;
    readonly rtmpBackup: number;
    readonly rtmps: number;
    readonly rtmpsBackup: number;
    /** Fragmented MP4 (Smooth Streaming) over HTTP. */
    readonly smooth: number;
    readonly feed: number;
    readonly streaming: number;
    readonly keys: number;
  };
  /** What users connect to. */
  readonly publicHost: string;
  readonly publicStreamingPort: number;
  /** Where keys are delivered (`resources/key-delivery-addresses.ts`). */
  readonly publicKeysBase: KeyDeliveryTemplate;
  /** 0: the listener's own. */
  readonly publicIngestPorts: {
    readonly rtmp: number;
    readonly rtmpBackup: number;
    readonly rtmps: number;
    readonly rtmpsBackup: number;
    readonly smooth: number;
  };
  /**
   * Undefined: ingest addresses are `publicHost`. Else each live event gets a name below this domain (reference §2.2).
   */
  readonly publicIngestDomain: string | undefined;
  /** Below it are the host names of streaming endpoints other than `default`. */
  readonly publicStreamingDomain: string;
  /** Of the ARM and RTMPS listeners. Undefined: RTMPS is off. */
  readonly tls: TlsConfig | undefined;
  /** What secrets were sealed with, for `parseMasterKeys`; an origin without them serves nothing that is encrypted. */
  readonly masterKeys: Secret | undefined;
  /** Undefined without the role `control`. */
  readonly control: ControlConfig | undefined;
  /** Undefined without the role `keys`. */
  readonly keys: KeysConfig | undefined;
  /** Undefined: events stay in the outbox. */
  readonly eventGrid: { readonly endpoint: string; readonly key: Secret } | undefined;
  readonly origin: OriginConfig;
  /** Serving processes of an origin, whatever its endpoint is scaled to. */
  readonly originProcessesMax: number;
  /** Jobs that a worker has at the same time, whatever the account's encoding units are. */
  readonly workerUnitsMax: number;
  readonly worker: WorkerConfig;
  /** Media is encrypted by node:crypto, whatever could be loaded. */
  readonly onlyNodeCiphers: boolean;
  readonly exitWithParent: boolean;
}

export interface TlsConfig {
  readonly certPem: string;
  readonly keyPem: Secret;
}

export interface ControlConfig {
  readonly tls: TlsConfig;
  readonly identity: IdentityConfig;
  /** What secrets are sealed with; for `parseMasterKeys`. */
  readonly masterKeys: Secret;
  readonly quotas: Quotas;
  readonly accountsMax: number;
  /** Subscriptions that accounts can be in, beside that of the engine's own. */
  readonly subscriptions: readonly string[];
}

/** Thrown with every problem at once, so that one attempt is enough to set things right. */
export class InvalidConfig extends Error {
  readonly code = 'InvalidConfig';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`invalid settings:\n  ${problems.join('\n  ')}`);
    this.name = 'InvalidConfig';
    this.problems = problems;
  }
}

const ACCOUNT_ID_DEFAULT =
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/headend/providers/Microsoft.Media/mediaservices/headend';
const ACCOUNT_ID =
  /^\/subscriptions\/[0-9a-f-]{36}\/resourceGroups\/[\w.()-]{1,90}\/providers\/Microsoft\.Media\/mediaservices\/[a-z0-9]{3,24}$/i;
/** All of them are in one answer of a list. */
const ACCOUNTS_MAX_LIMIT = 1000;
const SUBSCRIPTION = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const KEYS_BASE = /^https?:\/\/[\w.{}[\]:-]{1,253}(?:\/[\w.{}/-]{0,200})?$/;
const BLOB_ENDPOINT = /^https?:\/\/[\w.[\]:-]{1,253}(?:\/[\w-]{1,63})?\/?$/;
const ORIGIN_PROCESSES_MAX_LIMIT = 64;
const WORKER_UNITS_MAX_LIMIT = 64;

/** The engine's settings from its environment and the roles of the command line. */
export function readConfig(rolesText: string | undefined): EngineConfig {
  // biome-ignore lint/style/noProcessEnv: the one reader of the environment in the engine
  return parseConfig(process.env, rolesText);
}

/** Whether this process ends when its standard input does: whoever started it is gone then. */
export function exitsWithParent(
  // biome-ignore lint/style/noProcessEnv: as above
  env: Environment = process.env,
): boolean {
  return env['HEADEND_EXIT_WITH_PARENT'] === '1';
}

/** Throws `InvalidConfig` with every problem found. */
export function parseConfig(env: Environment, rolesText: string | undefined): EngineConfig {
  const problems: string[] = [];
  const read = settingsReader(env, problems);
  const roles = parseRoles(rolesText, problems);
  const ports = {
    arm: read.port('HEADEND_ARM_PORT', 8443),
    identity: read.port('HEADEND_IDENTITY_PORT', 8444),
    rtmp: read.port('HEADEND_RTMP_PORT', 1935),
    rtmpBackup: read.port('HEADEND_RTMP_BACKUP_PORT', 1936),
    rtmps: read.port('HEADEND_RTMPS_PORT', 2935),
    rtmpsBackup: read.port('HEADEND_RTMPS_BACKUP_PORT', 2936),
    smooth: read.port('HEADEND_SMOOTH_PORT', 8889),
    feed: read.port('HEADEND_FEED_PORT', 8890),
    streaming: read.port('HEADEND_STREAMING_PORT', 8888),
    keys: read.port('HEADEND_KEYS_PORT', 8887),
  };
  const tls = readTls(env, read, roles);
  const control =
    tls !== undefined && roles.includes('control') ? readControl(tls, read, problems) : undefined;
  const publicHost = read.text('HEADEND_PUBLIC_HOST', '127.0.0.1');
  const config: EngineConfig = {
    roles,
    bindAddress: read.text('HEADEND_BIND', '127.0.0.1'),
    storage: new Secret(read.required('HEADEND_STORAGE')),
    storageAccountsFile: env['HEADEND_STORAGE_ACCOUNTS'] || undefined,
    publicBlobEndpoint: env['HEADEND_PUBLIC_BLOB_ENDPOINT']
      ? read.matching('HEADEND_PUBLIC_BLOB_ENDPOINT', '', BLOB_ENDPOINT)
      : undefined,
    eventTopicsFile: env['HEADEND_EVENTGRID_TOPICS'] || undefined,
    accountId: read.matching('HEADEND_ACCOUNT_ID', ACCOUNT_ID_DEFAULT, ACCOUNT_ID),
    location: read.text('HEADEND_LOCATION', 'local'),
    ports,
    publicHost,
    publicStreamingPort: read.port('HEADEND_PUBLIC_STREAMING_PORT', ports.streaming),
    publicKeysBase: readKeysBase(read, publicHost, ports.keys),
    publicIngestPorts: {
      rtmp: read.port('HEADEND_PUBLIC_RTMP_PORT', ports.rtmp),
      rtmpBackup: read.port('HEADEND_PUBLIC_RTMP_BACKUP_PORT', ports.rtmpBackup),
      rtmps: read.port('HEADEND_PUBLIC_RTMPS_PORT', ports.rtmps),
      rtmpsBackup: read.port('HEADEND_PUBLIC_RTMPS_BACKUP_PORT', ports.rtmpsBackup),
      smooth: read.port('HEADEND_PUBLIC_SMOOTH_PORT', ports.smooth),
    },
    publicIngestDomain: env['HEADEND_INGEST_DOMAIN'] || undefined,
    publicStreamingDomain: env['HEADEND_STREAMING_DOMAIN'] || streamingDomainOf(publicHost),
    tls,
    masterKeys: control?.masterKeys ?? readOptionalMasterKeys(env, read, problems),
    control,
    keys: roles.includes('keys') ? readKeys(read, problems) : undefined,
    eventGrid: readEventGrid(env, problems),
    origin: readOrigin(env, read, problems),
    originProcessesMax: read.integer('HEADEND_ORIGIN_PROCESSES_MAX', Math.max(2, availableParallelism()), {
      min: 1,
      max: ORIGIN_PROCESSES_MAX_LIMIT,
    }),
    workerUnitsMax: read.integer('HEADEND_WORKER_UNITS_MAX', Math.max(2, availableParallelism()), {
      min: 1,
      max: WORKER_UNITS_MAX_LIMIT,
    }),
    worker: readWorkerConfig(env, read, problems),
    onlyNodeCiphers: read.matching('HEADEND_CIPHERS', 'auto', /^(?:auto|node)$/) === 'node',
    exitWithParent: exitsWithParent(env),
  };
  if (problems.length > 0) throw new InvalidConfig(problems);
  return Object.freeze(config);
}

/** Browsers and resolvers take every name below `localhost` to this machine (RFC 6761 §6.3). */
function streamingDomainOf(publicHost: string): string {
  return isIP(publicHost.replaceAll(/[[\]]/g, '')) === 0 ? publicHost : 'localhost';
}

/** One account's part of the path is enough on one host. */
function readKeysBase(read: Reader, publicHost: string, keysPort: number): KeyDeliveryTemplate {
  const port = read.port('HEADEND_PUBLIC_KEYS_PORT', keysPort);
  const usual = `http://${publicHost}:${port}/{account}`;
  return read.matching('HEADEND_PUBLIC_KEYS_BASE', usual, KEYS_BASE);
}

function parseRoles(text: string | undefined, problems: string[]): readonly Role[] {
  const names = (text ?? '').split(',').filter((name) => name !== '');
  const roles = ROLES.filter((role) => names.includes(role));
  if (names.length === 0) problems.push(`--roles is required: a list of ${ROLES.join(', ')}`);
  for (const name of names) {
    if (!ROLES.some((role) => role === name)) problems.push(`--roles: there is no role '${name}'`);
  }
  return roles;
}

/** Read whole or not at all; required with the role `control`, which cannot do without. */
function readTls(env: Environment, read: Reader, roles: readonly Role[]): TlsConfig | undefined {
  const isGiven = Boolean(env['HEADEND_TLS_CERT'] || env['HEADEND_TLS_KEY']);
  const isUsed = roles.includes('control') || (roles.includes('ingest') && isGiven);
  if (!isUsed) return undefined;
  return { certPem: read.file('HEADEND_TLS_CERT'), keyPem: new Secret(read.file('HEADEND_TLS_KEY')) };
}

function readOptionalMasterKeys(env: Environment, read: Reader, problems: string[]): Secret | undefined {
  return env['HEADEND_MASTER_KEY_FILE'] ? readMasterKeys(read, problems) : undefined;
}

function readControl(tls: TlsConfig, read: Reader, problems: string[]): ControlConfig {
  return {
    tls,
    identity: readIdentity(read, problems),
    masterKeys: readMasterKeys(read, problems),
    quotas: readQuotas(read),
    accountsMax: read.integer('HEADEND_ACCOUNTS_MAX', ACCOUNTS_MAX_DEFAULT, {
      min: 1,
      max: ACCOUNTS_MAX_LIMIT,
    }),
    subscriptions: readSubscriptions(read, problems),
  };
}

function readQuotas(read: Reader): Quotas {
  const quota = (kind: keyof Quotas): number => {
    const { setting, usual, max } = QUOTA_RULES[kind];
    return read.integer(setting, usual, { min: 1, max });
  };
  return {
    liveEvents: quota('liveEvents'),
    streamingEndpoints: quota('streamingEndpoints'),
    accountFilters: quota('accountFilters'),
    filtersPerAsset: quota('filtersPerAsset'),
    streamingPolicies: quota('streamingPolicies'),
    locatorsPerAsset: quota('locatorsPerAsset'),
    transforms: quota('transforms'),
    jobs: quota('jobs'),
  };
}

function readSubscriptions(read: Reader, problems: string[]): readonly string[] {
  const ids = read
    .text('HEADEND_SUBSCRIPTIONS', '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  const wrong = ids.filter((id) => !SUBSCRIPTION.test(id));
  if (wrong.length > 0) problems.push('HEADEND_SUBSCRIPTIONS is a list of GUIDs with commas between them');
  return ids;
}

function readEventGrid(env: Environment, problems: string[]): EngineConfig['eventGrid'] {
  const endpoint = env['HEADEND_EVENTGRID_ENDPOINT'];
  const key = env['HEADEND_EVENTGRID_KEY'];
  if (!endpoint && !key) return undefined;
  if (!endpoint || !key) {
    problems.push('HEADEND_EVENTGRID_ENDPOINT and HEADEND_EVENTGRID_KEY are set together or not at all');
    return undefined;
  }
  if (!URL.canParse(endpoint)) {
    problems.push('HEADEND_EVENTGRID_ENDPOINT is not a URL');
    return undefined;
  }
  return { endpoint, key: new Secret(key) };
}
