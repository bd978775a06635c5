import { createEventGridSender } from '../events/event-grid-sender.ts';
import { Outbox } from '../events/outbox.ts';
import { accountScope } from '../resources/account-scope.ts';
import { EngineIndex } from '../store/engine-index.ts';
import { openHeadendTable } from '../store/headend-table.ts';
import { createLiveDirectory } from '../store/live-directory-table.ts';
import { AccountEvents } from './account-events.ts';
import type { EngineConfig, Role } from './config.ts';
import { openDeliveryDirectory } from './delivery-directory.ts';
import { openEventTopics } from './event-topics.ts';
import { openJobs } from './jobs.ts';
import type { Log } from './log.ts';
import { openMetricRecorder, startMetricsUpkeep } from './metrics.ts';
import type { RunningRole } from './role.ts';
import type { ControlRoleDeps } from './role-control.ts';
import { ROLE_STARTERS, START_ORDER } from './roles.ts';
import { openStorageAccounts } from './storage-settings.ts';

const SHUTDOWN_MS_MAX = 10_000;

/** Runs the roles of the configuration until SIGTERM, SIGINT or (when asked for) the end of the parent's pipe. */
export async function serve(config: EngineConfig, log: Log): Promise<void> {
  const stopped = stopRequested(config);
  const scope = accountScope(config.accountId, config.location);
  const table = await openHeadendTable(config.storage.reveal(), scope.account);
  const { eventGrid } = config;
  const storageAccounts = await openStorageAccounts(config, log);
  const index = new EngineIndex(table);
  const outbox = new Outbox({
    store: table,
    send: eventGrid && createEventGridSender(eventGrid.endpoint, eventGrid.key.reveal()),
    log,
  });
  const metrics = openMetricRecorder({ table, log });
  const accountEvents = new AccountEvents({
    ...{ table, log, ownAccount: scope.account, own: { outbox, metrics } },
    topics: await openEventTopics(config, log),
  });
  const deps: ControlRoleDeps = {
    config,
    log,
    index,
    liveDirectory: createLiveDirectory(table, index),
    deliveryDirectory: openDeliveryDirectory(config, { table, index, log }),
    eventRecorder: accountEvents.of(scope.account).recorder,
    accountEvents,
    table,
    storageAccounts,
    jobs: openJobs(config, log),
    metrics,
    ingest: undefined,
    ports: {},
  };
  const running: RunningRole[] = [];
  try {
    await startRoles(config.roles, deps, running);
    outbox.start();
    if (config.control !== undefined) {
      running.push(startMetricsUpkeep(metrics, { table, log, ...config.control }));
    }
    const ports = portsOf(running);
    process.stdout.write(`${JSON.stringify({ ready: true, ...ports })}\n`);
    log.info('engine.ready', { roles: config.roles, ports });
    log.info('engine.stopping', { reason: await stopped });
  } finally {
    setTimeout(() => process.exit(1), SHUTDOWN_MS_MAX).unref();
    await closeAll(running.reverse(), log);
    await Promise.all([accountEvents.close(), outbox.close(), metrics.close()]);
    process.stdin.destroy();
  }
}

async function startRoles(roles: readonly Role[], deps: ControlRoleDeps, running: RunningRole[]) {
  let { ingest } = deps;
  for (const role of START_ORDER.filter((name) => roles.includes(name))) {
    if (role === 'ingest') {
      ingest = await ROLE_STARTERS.ingest(deps);
      running.push(ingest);
    } else {
      running.push(await ROLE_STARTERS[role]({ ...deps, ingest, ports: portsOf(running) }));
    }
  }
}

/** One role that cannot close must not keep the others from finishing what they have begun. */
async function closeAll(running: readonly RunningRole[], log: Log): Promise<void> {
  for (const role of running) {
    await role.close().catch((error: unknown) => log.error('engine.closeFailed', { error }));
  }
}

const portsOf = (running: readonly RunningRole[]): Readonly<Record<string, number>> =>
  Object.assign({}, ...running.map((role) => role.ports));

function stopRequested(config: EngineConfig): Promise<string> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve('SIGTERM'));
    process.once('SIGINT', () => resolve('SIGINT'));
    if (!config.exitWithParent) return;
    process.stdin.once('end', () => resolve('parent gone'));
    process.stdin.once('error', () => resolve('parent gone'));
    process.stdin.resume();
  });
}
