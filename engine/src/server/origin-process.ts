import { Socket } from 'node:net';
import { startOrigin } from '../delivery/origin.ts';
import type { OriginServer } from '../delivery/origin-server.ts';
import { RequestMeter } from '../delivery/request-meter.ts';
import type { DrainTimes, FromServingProcess, ToServingProcess } from '../delivery/serving-process.ts';
import { blockCiphers, useNodeCiphers } from '../encryption/block-cipher.ts';
import { writeMpd } from '../packager/dash-packager.ts';
import { accountScope } from '../resources/account-scope.ts';
import { DEFAULT_STREAMING_ENDPOINT } from '../resources/streaming-endpoint.ts';
import { createAssetFileReader } from '../store/asset-file-reader.ts';
import { EngineIndex } from '../store/engine-index.ts';
import { openHeadendTable } from '../store/headend-table.ts';
import { createOwnershipReader, createRecordingReader } from '../store/recording-reader.ts';
import type { EngineConfig } from './config.ts';
import { openDeliveryDirectory } from './delivery-directory.ts';
import type { Log } from './log.ts';
import { openOriginAccess } from './origin-access.ts';
import { openStorageAccounts } from './storage-settings.ts';

const REPORT_EVERY_MS = 1_000;

/** When the supervisor died: answers that are under way may end, nobody sends new connections. */
const ORPHAN_TIMES: DrainTimes = { idleMs: 0, allMs: 3_000 };

/**
 * A serving process of the streaming endpoint: answers on the connections that its supervisor hands over. Resolves to
 * the exit code when the supervisor has told it to drain, or is gone.
 */
export async function serveAsOriginProcess(config: EngineConfig, log: Log): Promise<number> {
  if (process.send === undefined) throw new Error('only the role origin starts this');
  const orders = ordersFromSupervisor();
  if (config.onlyNodeCiphers) useNodeCiphers();
  log.info('origin.processStarting', { ciphers: blockCiphers() });
  const storageAccounts = await openStorageAccounts(config, log);
  const table = await openHeadendTable(
    config.storage.reveal(),
    accountScope(config.accountId, config.location).account,
  );
  const meter = new RequestMeter();
  const origin = await startOrigin({
    listen: undefined,
    endpointName: DEFAULT_STREAMING_ENDPOINT,
    directory: openDeliveryDirectory(config, { table, index: new EngineIndex(table), log }),
    recordings: createRecordingReader(storageAccounts),
    ownership: createOwnershipReader(storageAccounts),
    files: createAssetFileReader(storageAccounts),
    meter,
    writeMpd,
    clock: { nowMs: () => Date.now() },
    log,
    ...(await openOriginAccess(config.origin, log)),
  });
  orders.serve(origin);
  tell('ready');
  const report = reporterOf(meter);
  setInterval(report, REPORT_EVERY_MS).unref();
  const times = await orders.drained;
  log.info('origin.processDraining', { ...times });
  await origin.close(times);
  report();
  // Keep-alive connections to storage would keep it.
  process.exit(0);
}

/** Tells the supervisor what was served since the last time, and how much processor time that took. */
function reporterOf(meter: RequestMeter): () => void {
  let processor = process.cpuUsage();
  let toldAtMs = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(processor);
    const nowMs = performance.now();
    tell({
      kind: 'served',
      cells: meter.take(),
      processorMs: (user + system) / 1_000,
      wallMs: nowMs - toldAtMs,
    });
    processor = process.cpuUsage();
    toldAtMs = nowMs;
  };
}

function tell(message: FromServingProcess): void {
  if (process.connected) process.send?.(message);
}

function ordersFromSupervisor() {
  let server: Pick<OriginServer, 'accept' | 'shed'> | undefined;
  const drained = new Promise<DrainTimes>((resolve) => {
    process.on('message', (message: unknown, handle: unknown) => {
      const order = parseOrder(message);
      if (handle instanceof Socket) server?.accept(handle, Reflect.get(Object(message), 'isTls') === true);
      else if (order?.kind === 'shed') server?.shed(order.share);
      else if (order?.kind === 'drain') resolve(order);
    });
    process.once('disconnect', () => resolve(ORPHAN_TIMES));
  });
  // Whoever stops this process alone: the supervisor sends no more connections and then says to drain.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => tell('draining'));
  return {
    drained,
    serve(by: Pick<OriginServer, 'accept' | 'shed'>) {
      server = by;
    },
  };
}

function parseOrder(message: unknown): ToServingProcess | undefined {
  const { kind, share, idleMs, allMs } = Object(message);
  if (kind === 'shed' && typeof share === 'number') return { kind, share };
  const isDrain = kind === 'drain' && typeof idleMs === 'number' && typeof allMs === 'number';
  return isDrain ? { kind, idleMs, allMs } : undefined;
}
