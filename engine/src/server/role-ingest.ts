import { type RtmpAddress, startRtmpIngest } from '../ingest/rtmp-ingest.ts';
import { startSmoothIngest } from '../ingest/smooth/smooth-ingest.ts';
import { startFeedServer } from '../live/feed-server.ts';
import { LiveRuntime } from '../live/live-runtime.ts';
import type { EngineConfig } from './config.ts';
import type { Log } from './log.ts';
import { openRecordings } from './recordings.ts';
import type { RoleDeps, RunningIngest } from './role.ts';

/**
 * Takes encoders in, records, and feeds origins. Port names: `rtmp`, `rtmpBackup`, `smooth`, `feed`, and with a certificate
 * `rtmps`, `rtmpsBackup`.
 */
export async function startIngestRole(deps: RoleDeps): Promise<RunningIngest> {
  const { config, log, liveDirectory } = deps;
  const clock = { now: () => Date.now() };
  let feedPort = config.ports.feed;
  const feedAddress = () => `http://${config.bindAddress}:${feedPort}`;
  const liveRuntime = new LiveRuntime({
    directory: liveDirectory,
    ...openRecordings(deps.storageAccounts, { clock, log }),
    events: deps.accountEvents.ofLiveEvents,
    feedAddress,
    clock,
    log,
  });
  const feed = await startFeedServer({
    port: config.ports.feed,
    host: config.bindAddress,
    feeds: liveRuntime,
    log,
    telemetry: (liveEventId) => liveRuntime.telemetry(liveEventId),
    refresh: (liveEventId) => liveRuntime.refresh(liveEventId),
  });
  feedPort = feed.port;
  const rtmp = await startRtmpIngest({
    addresses: rtmpAddresses(config, log),
    host: config.bindAddress,
    publicHost: config.publicHost,
    door: liveRuntime,
    log,
    clock,
  });
  const smooth = await startSmoothIngest({
    port: config.ports.smooth,
    host: config.bindAddress,
    publicHost: config.publicHost,
    publicPort: config.publicIngestPorts.smooth,
    door: liveRuntime,
    log,
    clock,
  });
  return {
    liveRuntime,
    address: feedAddress(),
    ports: { ...rtmp.ports, smooth: smooth.port, feed: feed.port },
    async close() {
      await Promise.all([rtmp.close(), smooth.close()]);
      await liveRuntime.close();
      await feed.close();
    },
  };
}

function rtmpAddresses(
  { ports, publicIngestPorts, tls }: EngineConfig,
  log: Log,
): Record<string, RtmpAddress> {
  const address = (name: 'rtmp' | 'rtmpBackup' | 'rtmps' | 'rtmpsBackup') => ({
    port: ports[name],
    publicPort: publicIngestPorts[name],
    endpoint: name.endsWith('Backup') ? ('backup' as const) : ('primary' as const),
  });
  const plain = { rtmp: address('rtmp'), rtmpBackup: address('rtmpBackup') };
  if (tls === undefined) {
    log.warn('ingest.rtmpsOff', { reason: 'HEADEND_TLS_CERT and HEADEND_TLS_KEY are not set' });
    return plain;
  }
  const secure = { tls: { certPem: tls.certPem, keyPem: tls.keyPem.reveal() } };
  return {
    ...plain,
    rtmps: { ...address('rtmps'), ...secure },
    rtmpsBackup: { ...address('rtmpsBackup'), ...secure },
  };
}
