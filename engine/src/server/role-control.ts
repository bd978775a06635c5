import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import { accountOperations } from '../control-plane/account-operations.ts';
import { AccountRemoval } from '../control-plane/account-removal.ts';
import { accountRoutes } from '../control-plane/account-routes.ts';
import { Accounts } from '../control-plane/accounts.ts';
import { createArmListener } from '../control-plane/arm-http.ts';
import { backfillClaims } from '../control-plane/id-backfill.ts';
import { createOwnersLiveRuntime, type LiveRuntime } from '../control-plane/live-runtime.ts';
import { Operations } from '../control-plane/operations.ts';
import { providerOperationsRoute } from '../control-plane/provider-operations.ts';
import { ACCOUNT_SCOPED_ROUTES } from '../control-plane/routes.ts';
import { TENANT_ID } from '../identity/token-issuer.ts';
import { finishEndingRecordings } from '../live/ending-recordings.ts';
import { type AccountScope, accountScope } from '../resources/account-scope.ts';
import type { PublicAddresses } from '../resources/live-event-addresses.ts';
import { ENGINE_PARTITION } from '../resources/row-keys.ts';
import { AssetContainers } from '../store/asset-containers.ts';
import { createJobRemains } from '../store/job-remains.ts';
import { createOwnershipReader } from '../store/recording-reader.ts';
import { sharedPlace } from '../worker/job-place.ts';
import { AccountContexts } from './account-contexts.ts';
import type { ControlConfig, EngineConfig } from './config.ts';
import { ensureOwnAccount, populateAccount } from './new-accounts.ts';
import { openAccess } from './open-access.ts';
import { openRecordings } from './recordings.ts';
import type { RoleDeps, RunningIngest, RunningRole } from './role.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const CONNECTIONS_MAX = 500;
/** How long calls that are being answered may take when the process stops. */
const DRAIN_MS_MAX = 3000;

export interface ControlRoleDeps extends RoleDeps {
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
  const opened = await openAccounts(deps, control);
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
  const entry = await openAccess(control.identity, {
    bindAddress: config.bindAddress,
    armEndpoint,
    table,
    log,
  });
  const answerArm = createArmListener(
    { provider: opened.routes, account: ACCOUNT_SCOPED_ROUTES },
    {
      findAccount: (address) => opened.contexts.get(address),
      access: entry.access,
      log,
      armEndpoint,
    },
  );
  answers.resolve({
    arm: async (request, response) => {
      if (!(await entry.answerOAuth(request, response))) await answerArm(request, response);
    },
    identity: entry.answerManagedIdentity,
  });
  await opened.start();
  return {
    ports: { arm: armPort, ...identityPorts },
    async close() {
      entry.close();
      await Promise.all([closeServer(arm), closeServer(identity)]);
      await opened.close();
    },
  };
}

/** The accounts that there are, the calls on them, and what works on them in the background. */
async function openAccounts(deps: ControlRoleDeps, control: ControlConfig) {
  const { config, log, table, index, storageAccounts } = deps;
  const own = accountScope(config.accountId, config.location);
  const rows = table.inPartition(ENGINE_PARTITION);
  const { accountsMax, subscriptions } = control;
  const accounts = new Accounts({ rows, own, subscriptions, accountsMax });
  await ensureOwnAccount({ accounts, rows, table, own, storageAccountName: storageAccounts.systemName });
  await backfillClaims(table, own.account, index);
  const addressesOf = (scope: Pick<AccountScope, 'account' | 'location'>) =>
    publicAddresses(config, scope, deps.ports);
  const liveRuntime = liveRuntimeOf(deps);
  const contexts = new AccountContexts({ ...deps, control, accounts, liveRuntime, addressesOf });
  const kinds = accountOperations({
    accounts,
    canReach: (name, signal) => storageAccounts.canReach(name, signal),
    populate: (record) => populateAccount(table.inPartition(record.name), record),
  });
  const events = { change: nothingToTell, wake: () => undefined };
  const operations = new Operations({
    ...{ kinds: [kinds.create, kinds.update], scope: own, store: rows, events, liveRuntime, log },
    containers: new AssetContainers(storageAccounts),
  });
  const removal = new AccountRemoval({
    ...{ accounts, rows, log },
    partitionOf: (account) => contexts.partitionOf(account),
    jobRemains: createJobRemains(config.storage.reveal(), (account) => sharedPlace(account).container),
  });
  const routes = accountRoutes({
    ...{ accounts, rows, operations, kinds, tenantId: TENANT_ID },
    syncStorage: () => storageAccounts.refresh(),
    remove: (account) => removal.remove(account),
  });
  return {
    contexts,
    routes: [...routes, providerOperationsRoute(routes, ACCOUNT_SCOPED_ROUTES)],
    async start() {
      await operations.resume();
      await contexts.follow(async () => {
        await removal.resume();
        await index.sweep();
      });
    },
    async close() {
      await Promise.all([operations.close(), removal.close()]);
      await contexts.close();
    },
  };
}

/** Operations on accounts have no events of their own. */
function nothingToTell(): never {
  throw new Error('an operation on an account has no events');
}

type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Asks the owner of a live event, in whatever process that is. */
function liveRuntimeOf(deps: ControlRoleDeps): LiveRuntime {
  const owners = createOwnershipReader(deps.storageAccounts);
  return createOwnersLiveRuntime({
    ownerOf: async (liveEventId) => (await owners.find(liveEventId))?.address,
    here: liveRuntimeHere(deps),
    log: deps.log,
  });
}

/** Without ingest no encoder can be connected to this process, but a recording that nobody has can be finished here. */
function liveRuntimeHere({ log, ingest, liveDirectory, storageAccounts }: ControlRoleDeps) {
  if (ingest !== undefined) {
    const { address, liveRuntime } = ingest;
    return {
      address,
      refresh: (liveEventId: string) => liveRuntime.refresh(liveEventId),
      telemetry: (liveEventId: string) => liveRuntime.telemetry(liveEventId),
    };
  }
  const stores = openRecordings(storageAccounts, { clock: { now: () => Date.now() }, log });
  const runtime: LiveRuntime = {
    async refresh(liveEventId) {
      const view = await liveDirectory.findLiveEvent(liveEventId);
      // No address: origins go on reading from storage.
      if (view !== undefined) await finishEndingRecordings(view, { ...stores, feedAddress: () => '' });
    },
    telemetry: async () => undefined,
  };
  return { ...runtime, address: '' };
}

/** With port 0 only the listener knows its port, which then must be one of this process. */
function publicAddresses(
  config: EngineConfig,
  { account, location }: Pick<AccountScope, 'account' | 'location'>,
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
