import { writeCmafHeader } from '../formats/isobmff/cmaf-header-writer.ts';
import { type RtmpAddress, startRtmpIngest } from '../ingest/rtmp-ingest.ts';
import { startFeedServer } from '../live/feed-server.ts';
import { LiveRuntime } from '../live/live-runtime.ts';
import { cutToWindow } from '../packager/fragment-window.ts';
import { writeIsm, writeIsmc } from '../packager/smooth-packager.ts';
import { createOwnershipStore } from '../store/recording-ownership.ts';
import { createRecordingStore } from '../store/recording-store.ts';
import type { EngineConfig } from './config.ts';
import type { Log } from './log.ts';
import type { RoleDeps, RunningIngest } from './role.ts';

/**
 * Takes encoders in, records, and feeds origins. Port names: `rtmp`, `rtmpBackup`, `feed`, and with a certificate `rtmps`,
 * `rtmpsBackup`.
 */
export async function startIngestRole(deps: RoleDeps): Promise<RunningIngest> {
  const { config, log, liveDirectory, eventRecorder } = deps;
  const connectionString = config.storage.reveal();
  const clock = { now: () => Date.now() };
  let feedPort = config.ports.feed;
  const liveRuntime = new LiveRuntime({
    directory: liveDirectory,
    recordings: createRecordingStore({
      ...{ connectionString, writeCmafHeader, writeIsm, writeIsmc, cutToWindow, clock, log },
    }),
    ownerships: createOwnershipStore({ connectionString, clock, log }),
    events: eventRecorder,
    feedAddress: () => `http://${config.bindAddress}:${feedPort}`,
    clock,
    log,
  });
  const feed = await startFeedServer({
    port: config.ports.feed,
    host: config.bindAddress,
    feeds: liveRuntime,
    log,
    refresh: (liveEventName) => liveRuntime.refresh(liveEventName),
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
  return {
    liveRuntime,
    ports: { ...rtmp.ports, feed: feed.port },
    async close() {
      await rtmp.close();
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
