import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import { createArmListener } from '../control-plane/arm-http.ts';
import { nowIso } from '../control-plane/control-context.ts';
import { createDetachedLiveRuntime, type LiveRuntime } from '../control-plane/live-runtime.ts';
import { metadataRoutes } from '../control-plane/metadata-routes.ts';
import { Operations } from '../control-plane/operations.ts';
import { streamingRoutes } from '../control-plane/streaming-routes.ts';
import { type Outbox, outboxRow } from '../events/outbox.ts';
import { answerManagedIdentity, answerOAuth } from '../identity/identity-http.ts';
import { openTokenIssuer } from '../identity/token-issuer.ts';
import { newAccount } from '../resources/account.ts';
import { accountScope } from '../resources/account-scope.ts';
import { accountKey, streamingEndpointKey } from '../resources/row-keys.ts';
import { DEFAULT_STREAMING_ENDPOINT, newDefaultStreamingEndpoint } from '../resources/streaming-endpoint.ts';
import { AssetContainers } from '../store/asset-containers.ts';
import type { HeadendTable } from '../store/headend-table.ts';
import type { RoleDeps, RunningRole } from './role.ts';

const SIGNING_KEY_ROW = 'k!signingkey';
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECTIONS_MAX = 500;

export interface ControlRoleDeps extends RoleDeps {
  readonly table: HeadendTable;
  readonly outbox: Outbox;
  /** Undefined when no ingest runs in this process. */
  readonly liveRuntime: LiveRuntime | undefined;
}

/** The ARM API with the laptop's token issuer on one TLS port, and the managed identity endpoint on another. */
export async function startControlRole(deps: ControlRoleDeps): Promise<RunningRole> {
  const { config, log, table, outbox } = deps;
  const { control } = config;
  if (control === undefined) throw new Error('the role control has no settings');
  const scope = accountScope(config.accountId, config.location);
  await ensureAccount(deps);
  const events = {
    change: (newEvent: Parameters<typeof outboxRow>[0]) =>
      ({ kind: 'create', ...outboxRow(newEvent, Date.now()) }) as const,
    wake: () => outbox.wake(),
  };
  const liveRuntime = deps.liveRuntime ?? createDetachedLiveRuntime();
  const operations = new Operations({ store: table, events, liveRuntime, log });
  const context = {
    scope,
    addresses: {
      host: config.publicHost,
      rtmpPort: config.publicRtmpPort,
      streamingPort: config.publicStreamingPort,
    },
    liveEventsMax: control.liveEventsMax,
    store: table,
    events,
    containers: new AssetContainers(config.storage.reveal()),
    operations,
  };
  const arm = createHttpsServer({ cert: control.tlsCertPem, key: control.tlsKeyPem.reveal() });
  const armPort = await listen(arm, config.ports.arm, config.bindAddress);
  const armEndpoint = `https://${config.bindAddress}:${armPort}`;
  const issuer = await openTokenIssuer({
    bindAddress: config.bindAddress,
    armEndpoint,
    clientSecret: control.identitySecret.reveal(),
    keyStore: {
      find: async () => (await table.find(SIGNING_KEY_ROW))?.body,
      create: async (jwk) =>
        (await table.commit([{ kind: 'create', rowKey: SIGNING_KEY_ROW, body: jwk }])) === 'committed',
    },
  });
  const answerArm = createArmListener([...metadataRoutes(context), ...streamingRoutes(context)], {
    scope,
    verifyToken: issuer.verify,
    log,
    armEndpoint,
  });
  const failed = (error: unknown): void => log.error('control.requestFailed', { error });
  arm.requestTimeout = REQUEST_TIMEOUT_MS;
  arm.maxConnections = CONNECTIONS_MAX;
  arm.on('request', (request, response) => {
    answerOAuth(issuer, request, response)
      .then((answered) => (answered ? undefined : answerArm(request, response)))
      .catch(failed);
  });
  const identity = createHttpServer((request, response) => {
    answerManagedIdentity(issuer, request, response).catch(failed);
  });
  const identityPort = await listen(identity, config.ports.identity, config.bindAddress);
  await operations.resume();
  return {
    ports: { arm: armPort, identity: identityPort },
    async close() {
      await Promise.all([closeServer(arm), closeServer(identity)]);
      await operations.close();
    },
  };
}

/** What a new account has: itself, and the endpoint `default`, stopped. */
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
  });
}
