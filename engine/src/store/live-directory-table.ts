import type { LiveDirectory, LiveEventView, LiveOutputView } from '../live/live-directory.ts';
import { containerRef } from '../resources/container-place.ts';
import { allowedNetworks } from '../resources/ip-allow-list.ts';
import { parseIsoDurationMs } from '../resources/iso-duration.ts';
import { canonicalToken, LiveEventRecord } from '../resources/live-event.ts';
import { LIVE_OUTPUTS_PER_EVENT_MAX, LiveOutputRecord } from '../resources/live-output.ts';
import { accessTokenKey, liveEventKey, prefixes } from '../resources/row-keys.ts';
import { TICKS_PER_MILLISECOND } from '../time/timescale.ts';
import type { HeadendTable } from './headend-table.ts';
import { parseIndexRow } from './index-row.ts';

/** More live events than any account is allowed to have. */
const LIVE_EVENTS_MAX = 10_000;

/** Reads what the live runtime needs of the control plane's rows. */
export function createLiveDirectory(table: HeadendTable): LiveDirectory {
  const view = async (body: unknown): Promise<LiveEventView> => {
    const record = LiveEventRecord.parse(body);
    const outputs = await table.list(prefixes.liveOutputsOf(record.name), {
      limit: LIVE_OUTPUTS_PER_EVENT_MAX,
    });
    return {
      name: record.name,
      resourceState: record.state,
      isResetting: record.isResetting ?? false,
      encodingType: record.encodingType,
      streamingProtocol: record.input.streamingProtocol,
      ingestAllow: allowedNetworks(record.input.accessControl),
      previousAccessToken: record.previousAccessToken,
      accessToken: canonicalToken(record.input.accessToken),
      previewLocatorId: record.preview.previewLocator,
      outputs: outputs.map((row) => outputView(LiveOutputRecord.parse(row.body))),
    };
  };
  const findLiveEvent = async (name: string): Promise<LiveEventView | undefined> => {
    const row = await table.find(liveEventKey(name));
    return row === undefined ? undefined : view(row.body);
  };
  return {
    findLiveEvent,
    async findLiveEventByAccessToken(accessToken) {
      const row = await table.find(accessTokenKey(accessToken));
      return row === undefined ? undefined : findLiveEvent(parseIndexRow(row.body).name);
    },
    async listActiveLiveEvents() {
      const rows = await table.list(prefixes.liveEvents, { limit: LIVE_EVENTS_MAX });
      const active = rows.filter((row) => LiveEventRecord.parse(row.body).state !== 'Stopped');
      return Promise.all(active.map((row) => view(row.body)));
    },
  };
}

function outputView(record: LiveOutputRecord): LiveOutputView {
  return {
    name: record.name,
    assetName: record.assetName,
    container: containerRef(record),
    manifestName: record.manifestName,
    ...outputWindows(record),
    resourceState: record.state,
  };
}

/** The windows of a live output in ticks. */
export function outputWindows(
  record: LiveOutputRecord,
): Pick<LiveOutputView, 'archiveWindowTicks' | 'rewindWindowTicks'> {
  return {
    archiveWindowTicks: ticks(record.archiveWindowLength),
    rewindWindowTicks: record.rewindWindowLength === null ? undefined : ticks(record.rewindWindowLength),
  };
}

const ticks = (duration: string): number => (parseIsoDurationMs(duration) ?? 0) * TICKS_PER_MILLISECOND;
