import type { LiveDirectory, LiveEventView, LiveOutputView } from '../live/live-directory.ts';
import { containerRef } from '../resources/container-place.ts';
import { allowedNetworks } from '../resources/ip-allow-list.ts';
import { parseIsoDurationMs } from '../resources/iso-duration.ts';
import { canonicalToken, LiveEventRecord } from '../resources/live-event.ts';
import { liveEventIdOf, parseLiveEventId } from '../resources/live-event-id.ts';
import { LIVE_OUTPUTS_PER_EVENT_MAX, LiveOutputRecord } from '../resources/live-output.ts';
import { accessTokenKey, liveEventKey, prefixes } from '../resources/row-keys.ts';
import { TICKS_PER_MILLISECOND } from '../time/timescale.ts';
import type { EngineIndex } from './engine-index.ts';
import type { HeadendTable } from './headend-table.ts';
import { parseIndexRow } from './index-row.ts';

/** Reads what the live runtime needs of the control plane's rows. */
export function createLiveDirectory(engineTable: HeadendTable, index: EngineIndex): LiveDirectory {
  const view = async (account: string, table: HeadendTable, body: unknown): Promise<LiveEventView> => {
    const record = LiveEventRecord.parse(body);
    const outputs = await table.list(prefixes.liveOutputsOf(record.name), {
      limit: LIVE_OUTPUTS_PER_EVENT_MAX,
    });
    return {
      id: liveEventIdOf(account, record.name),
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
  const find = async (account: string, name: string): Promise<LiveEventView | undefined> => {
    const table = engineTable.inPartition(account);
    const row = await table.find(liveEventKey(name));
    return row === undefined ? undefined : view(account, table, row.body);
  };
  return {
    findLiveEvent(liveEventId) {
      const { account, name } = parseLiveEventId(liveEventId);
      return find(account, name);
    },
    async findLiveEventByAccessToken(accessToken) {
      const account = await index.accountOf({ kind: 'accessToken', id: accessToken });
      if (account === undefined) return undefined;
      const row = await engineTable.inPartition(account).find(accessTokenKey(accessToken));
      return row === undefined ? undefined : find(account, parseIndexRow(row.body).name);
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
    startTicks: record.outputSnapTime,
    resourceState: record.state,
  };
}

/** The windows of a live output in ticks. */
export function outputWindows(
  record: LiveOutputRecord,
): Pick<LiveOutputView, 'archiveWindowTicks' | 'rewindWindowTicks' | 'fragmentsPerTsSegment'> {
  return {
    archiveWindowTicks: ticks(record.archiveWindowLength),
    fragmentsPerTsSegment: record.fragmentsPerTsSegment ?? undefined,
    rewindWindowTicks: record.rewindWindowLength === null ? undefined : ticks(record.rewindWindowLength),
  };
}

const ticks = (duration: string): number => (parseIsoDurationMs(duration) ?? 0) * TICKS_PER_MILLISECOND;
