import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import { forgetExpiredTokens } from '../control-plane/access-tokens.ts';
import { createAccountStore } from '../control-plane/account-store.ts';
import { createArmListener } from '../control-plane/arm-http.ts';
import { type ControlContext, nowIso } from '../control-plane/control-context.ts';
import { backfillClaims } from '../control-plane/id-backfill.ts';
import { rebuildIndexes } from '../control-plane/index-rebuild.ts';
import { INDEXED_COLLECTIONS } from '../control-plane/indexed-collections.ts';
import { JobUpkeep } from '../control-plane/job-upkeep.ts';
import { createOwnersLiveRuntime, type LiveRuntime } from '../control-plane/live-runtime.ts';
import { OPERATION_KINDS } from '../control-plane/operation-kinds.ts';
import { Operations } from '../control-plane/operations.ts';
import { ACCOUNT_SCOPED_ROUTES } from '../control-plane/routes.ts';
import { checkMasterKeys, resealSecrets } from '../control-plane/sealed-secrets.ts';
import { type Outbox, outboxRow } from '../events/outbox.ts';
import { finishEndingRecordings } from '../live/ending-recordings.ts';
import { newAccount } from '../resources/account.ts';
import { type AccountScope, accountScope, isAccount } from '../resources/account-scope.ts';
import { newEncodingCapacity } from '../resources/encoding-capacity.ts';
import type { PublicAddresses } from '../resources/live-event-addresses.ts';
import { liveEventIdOf } from '../resources/live-event-id.ts';
import { accountKey, encodingCapacityKey, streamingEndpointKey } from '../resources/row-keys.ts';
import { DEFAULT_STREAMING_ENDPOINT, newDefaultStreamingEndpoint } from '../resources/streaming-endpoint.ts';
import { parseMasterKeys } from '../sealing/master-keys.ts';
import { createSealer } from '../sealing/sealer.ts';
import { AssetContainers } from '../store/asset-containers.ts';
import type { HeadendTable } from '../store/headend-table.ts';
import { createOwnershipReader } from '../store/recording-reader.ts';
import type { ControlConfig, EngineConfig } from './config.ts';
import { openAccess } from './open-access.ts';
import { openRecordings } from './recordings.ts';
import type { RoleDeps, RunningIngest, RunningRole } from './role.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const TOKENS_FORGOTTEN_EVERY_MS = 60_000;
const CONNECTIONS_MAX = 500;
/** How long calls that are being answered may take when the process stops. */
const DRAIN_MS_MAX = 3000;

export interface ControlRoleDeps extends RoleDeps {
  readonly table: HeadendTable;
  readonly outbox: Outbox;
  /** Undefined when no ingest runs in this process. */
  readonly ingest: RunningIngest | undefined;
  /** Of the roles of this process that run already. */
  readonly ports: RunningRole['ports'];
}

/** The ARM API with the laptop's token issuer on one TLS port, and the managed identity endpoint on another. */
export async function startControlRole(deps: ControlRoleDeps): Promise<RunningRole> {
  const { config, log, table } = deps;
  const { control } = config;
  if (control === undefined) throw new Error('the role control has no settings');
  await ensureAccount(deps);
  const { account } = accountScope(config.accountId, config.location);
  await backfillClaims(table, account, deps.index);
  await rebuildIndexes({ store: table, log }, INDEXED_COLLECTIONS);
  const context = controlContext(deps, control);
  await checkMasterKeys(context);
  const failed = (error: unknown): void => log.error('control.requestFailed', { error });
  const answers = deferred<{ arm: Answer; identity: Answer }>();
  const arm = createHttpsServer(
    { cert: control.tls.certPem, key: control.tls.keyPem.reveal() },
    (request, response) => {
      answers.promise.then((answer) => answer.arm(request, response)).catch(failed);
    },
  );
  const identity = createHttpServer((request, response) => {
    answers.promise.then((answer) => answer.identity(request, response)).catch(failed);
  });
  for (const server of [arm, identity]) {
    server.requestTimeout = REQUEST_TIMEOUT_MS;
    server.maxConnections = CONNECTIONS_MAX;
  }
  // A client may come back before this process is ready (it keeps its port over a restart): its first call waits.
  const armPort = await listen(arm, config.ports.arm, config.bindAddress);
  const identityPorts =
    control.identity.kind === 'builtIn'
      ? { identity: await listen(identity, config.ports.identity, config.bindAddress) }
      : {};
  const armEndpoint = `https://${urlHost(config.bindAddress)}:${armPort}`;
  const opened = await openAccess(control.identity, {
    bindAddress: config.bindAddress,
    armEndpoint,
    table,
    log,
  });
  const answerArm = createArmListener(
    { provider: [], account: ACCOUNT_SCOPED_ROUTES },
    {
      findAccount: async (address) => (isAccount(context.scope, address) ? context : undefined),
      access: opened.access,
      log,
      armEndpoint,
    },
  );
  answers.resolve({
    arm: async (request, response) => {
      if (!(await opened.answerOAuth(request, response))) await answerArm(request, response);
    },
    identity: opened.answerManagedIdentity,
  });
  await context.operations.resume();
  resealInBackground(context, log);
  const jobUpkeep = new JobUpkeep(context);
  jobUpkeep.start();
  const upkeep = setInterval(() => {
    forgetExpiredTokens(context.store, Date.now()).catch((error: unknown) => {
      log.warn('control.tokensNotForgotten', { error });
    });
  }, TOKENS_FORGOTTEN_EVERY_MS).unref();
  return {
    ports: { arm: armPort, ...identityPorts },
    async close() {
      clearInterval(upkeep);
      opened.close();
      await Promise.all([closeServer(arm), closeServer(identity)]);
      await Promise.all([context.operations.close(), jobUpkeep.close()]);
    },
  };
}

/** During a rotation of the master keys; at 0 rows the older ones may leave their file. */
function resealInBackground(context: ControlContext, log: ControlRoleDeps['log']): void {
  if (!context.sealer.hasOlderKeys) return;
  resealSecrets(context).then(
    (rows) => log.info('control.secretsResealed', { rows }),
    (error: unknown) => log.warn('control.secretsNotResealed', { error }),
  );
}

type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

function controlContext(deps: ControlRoleDeps, control: ControlConfig) {
  const { config, log, table, outbox, ports } = deps;
  const events = {
    change: (newEvent: Parameters<typeof outboxRow>[0]) =>
      ({ kind: 'create', ...outboxRow(newEvent, Date.now()) }) as const,
    wake: () => outbox.wake(),
  };
  const owners = createOwnershipReader(deps.storageAccounts);
  const liveRuntime = createOwnersLiveRuntime({
    ownerOf: async (liveEventId) => (await owners.find(liveEventId))?.address,
    here: liveRuntimeHere(deps),
    log,
  });
  const scope = accountScope(config.accountId, config.location);
  const containers = new AssetContainers(deps.storageAccounts);
  const store = createAccountStore({
    rows: table,
    account: scope.account,
    claims: deps.index,
    hasTopic: () => true,
    log,
  });
  return {
    scope,
    addresses: publicAddresses(config, scope, ports),
    liveEventsMax: control.liveEventsMax,
    streamingEndpointsMax: control.streamingEndpointsMax,
    jobsMax: control.jobsMax,
    jobQueue: deps.jobs.queueOf(scope.account),
    log,
    store,
    sealer: createSealer(parseMasterKeys(control.masterKeys.reveal()), scope.account),
    events,
    containers,
    operations: new Operations({
      kinds: OPERATION_KINDS,
      scope,
      containers,
      store,
      events,
      liveRuntime: {
        refresh: (name) => liveRuntime.refresh(liveEventIdOf(scope.account, name)),
      },
      log,
    }),
  };
}

/** Without ingest no encoder can be connected to this process, but a recording that nobody has can be finished here. */
function liveRuntimeHere({ log, ingest, liveDirectory, storageAccounts }: ControlRoleDeps) {
  if (ingest !== undefined) {
    const { address, liveRuntime } = ingest;
    return { address, refresh: (liveEventId: string) => liveRuntime.refresh(liveEventId) };
  }
  const stores = openRecordings(storageAccounts, { clock: { now: () => Date.now() }, log });
  const runtime: LiveRuntime = {
    async refresh(liveEventId) {
      const view = await liveDirectory.findLiveEvent(liveEventId);
      // No address: origins go on reading from storage.
      if (view !== undefined) await finishEndingRecordings(view, { ...stores, feedAddress: () => '' });
    },
  };
  return { ...runtime, address: '' };
}

/** With port 0 only the listener knows its port, which then must be one of this process. */
function publicAddresses(
  config: EngineConfig,
  { account, location }: AccountScope,
  ports: RunningRole['ports'],
): PublicAddresses {
  const { publicHost, publicIngestDomain, publicIngestPorts } = config;
  const { publicStreamingDomain, publicStreamingPort } = config;
  const ingestPort = (name: keyof typeof publicIngestPorts) => publicIngestPorts[name] || (ports[name] ?? 0);
  return {
    host: publicHost,
    ingestDomain: publicIngestDomain,
    account,
    location,
    ingestPorts: {
      rtmp: ingestPort('rtmp'),
      rtmpBackup: ingestPort('rtmpBackup'),
      rtmps: ingestPort('rtmps'),
      rtmpsBackup: ingestPort('rtmpsBackup'),
      smooth: ingestPort('smooth'),
    },
    streamingDomain: publicStreamingDomain,
    streamingPort: publicStreamingPort || (ports['streaming'] ?? 0),
  };
}

/** What a new account has: itself, the endpoint `default`, stopped, and its encoding capacity. */
async function ensureAccount({ config, table }: ControlRoleDeps): Promise<void> {
  const caller = { id: 'headend' };
  const scope = accountScope(config.accountId, config.location);
  const account = newAccount(scope, { caller, nowIso: nowIso(), mediaServiceId: randomUUID() });
  // A conflict means that it is there already.
  await table.commit([
    { kind: 'create', rowKey: accountKey, body: account },
    {
      kind: 'create',
      rowKey: streamingEndpointKey(DEFAULT_STREAMING_ENDPOINT),
      body: newDefaultStreamingEndpoint({ caller, nowIso: nowIso() }),
    },
  ]);
  const capacity = newEncodingCapacity({ caller, nowIso: nowIso() });
  await table.commit([{ kind: 'create', rowKey: encodingCapacityKey(capacity.name), body: capacity }]);
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function closeServer(server: ReturnType<typeof createHttpServer> | ReturnType<typeof createHttpsServer>) {
  return new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), DRAIN_MS_MAX).unref();
  });
}

const urlHost = (address: string): string => (address.includes(':') ? `[${address}]` : address);

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
