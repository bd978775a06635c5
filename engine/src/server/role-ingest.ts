import { writeCmafHeader } from '../formats/isobmff/cmaf-header-writer.ts';
import { startRtmpIngest } from '../ingest/rtmp-ingest.ts';
import { startFeedServer } from '../live/feed-server.ts';
import { LiveRuntime } from '../live/live-runtime.ts';
import { cutToWindow } from '../packager/fragment-window.ts';
import { writeIsm, writeIsmc } from '../packager/smooth-packager.ts';
import { createOwnershipStore } from '../store/recording-ownership.ts';
import { createRecordingStore } from '../store/recording-store.ts';
import type { RoleDeps, RunningIngest } from './role.ts';

/** Takes encoders in, records, and feeds origins. Port names: `rtmp`, `feed`. */
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
    ingestBaseUrl: () => `rtmp://${config.publicHost}:${config.publicIngestPorts.rtmp}/live`,
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
    port: config.ports.rtmp,
    host: config.bindAddress,
    door: liveRuntime,
    log,
    clock,
  });
  return {
    liveRuntime,
    ports: { rtmp: rtmp.port, feed: feed.port },
    async close() {
      await rtmp.close();
      await liveRuntime.close();
      await feed.close();
    },
  };
}
