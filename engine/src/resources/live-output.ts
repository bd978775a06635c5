import { z } from 'zod';
import { Hls, LiveOutput, LiveOutputProperties } from '../contract/streaming.ts';
import { type AccountScope, auditRecord, type Caller, newAudit, systemData } from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { parseIsoDurationMs } from './iso-duration.ts';
import { duration, parseBody } from './request-body.ts';

export const LIVE_OUTPUT_STATES = ['Creating', 'Running', 'Deleting'] as const;
export type LiveOutputState = (typeof LIVE_OUTPUT_STATES)[number];

/** Every step a live output may take (reference §1.2); `gone` is the end. */
export const LIVE_OUTPUT_NEXT: Readonly<Record<LiveOutputState, readonly (LiveOutputState | 'gone')[]>> = {
  Creating: ['Running', 'Deleting'],
  Running: ['Deleting'],
  Deleting: ['gone'],
};

/** Reference §1.5. */
export const LIVE_OUTPUTS_PER_EVENT_MAX = 3;
const LIVE_OUTPUTS_PER_BASIC_EVENT_MAX = 1;
/** Reference §2.1. */
const BASIC_ARCHIVE_WINDOW_MAX = 'PT8H';
/** Reference §2.5. */
const LOW_LATENCY_ARCHIVE_WINDOW_MAX = 'PT6H';

/** It becomes a blob name and a URL segment. */
const MANIFEST_NAME = /^[a-zA-Z0-9_-]{1,128}$/;

const LiveOutputBody = LiveOutput.extend({
  properties: LiveOutputProperties.extend({
    assetName: z.string().min(1).max(260),
    archiveWindowLength: duration({ min: 'PT1M', max: 'PT25H' }),
    rewindWindowLength: duration({ min: 'PT60S', max: 'PT25H' }).nullish(),
    manifestName: z
      .string()
      .regex(MANIFEST_NAME, '1 to 128 letters, digits, hyphens and underscores are expected')
      .nullish(),
    hls: Hls.extend({ fragmentsPerTsSegment: z.int().min(1).max(100).nullish() }).nullish(),
    /** On the live event's timeline, in ticks of 100 ns as its manifests and heartbeats have it. */
    outputSnapTime: z.int().min(0).nullish(),
  }),
});
export type LiveOutputBody = z.output<typeof LiveOutputBody>['properties'];

/** Throws `InvalidField` or `UnknownField`. */
export function parseLiveOutputBody(body: unknown, apiVersion?: string): LiveOutputBody {
  const { properties } = parseBody(LiveOutputBody, body, apiVersion);
  const { archiveWindowLength, rewindWindowLength } = properties;
  if (rewindWindowLength != null && milliseconds(rewindWindowLength) > milliseconds(archiveWindowLength)) {
    throw armError('InvalidField', {
      field: 'properties.rewindWindowLength',
      reason: `it must not be longer than archiveWindowLength (${archiveWindowLength})`,
    });
  }
  return properties;
}

/** How many outputs a live event of this type may have. */
export function liveOutputsMax(encodingType: string): number {
  return encodingType === 'PassthroughBasic' ? LIVE_OUTPUTS_PER_BASIC_EVENT_MAX : LIVE_OUTPUTS_PER_EVENT_MAX;
}

/** Throws `InvalidField` when live events of this kind do not keep as much. */
export function checkArchiveWindow(
  { archiveWindowLength }: LiveOutputBody,
  {
    encodingType,
    streamOptions,
  }: { readonly encodingType: string; readonly streamOptions: readonly string[] },
): void {
  const refuseBeyond = (max: string, kind: string): void => {
    if (milliseconds(archiveWindowLength) <= milliseconds(max)) return;
    const reason = `at most ${max} is allowed for a live event ${kind}`;
    throw armError('InvalidField', { field: 'properties.archiveWindowLength', reason });
  };
  if (encodingType === 'PassthroughBasic') {
    refuseBeyond(BASIC_ARCHIVE_WINDOW_MAX, `of the type ${encodingType}`);
  }
  if (streamOptions.includes('LowLatencyV2'))
    refuseBeyond(LOW_LATENCY_ARCHIVE_WINDOW_MAX, 'with LowLatencyV2');
}

export const LiveOutputRecord = z.object({
  ...auditRecord,
  liveEventName: z.string(),
  state: z.enum(LIVE_OUTPUT_STATES),
  provisioningState: z.enum(['InProgress', 'Succeeded', 'Failed']),
  description: z.string().nullable(),
  assetName: z.string(),
  /** The asset's, copied: neither changes. */
  container: z.string(),
  storageAccountName: z.string().optional(),
  archiveWindowLength: z.string(),
  rewindWindowLength: z.string().nullable(),
  manifestName: z.string(),
  fragmentsPerTsSegment: z.number().nullable(),
  /** Ticks on the timeline: what begins before it is not recorded. */
  outputSnapTime: z.number().default(0),
});
export type LiveOutputRecord = z.output<typeof LiveOutputRecord>;

interface NewLiveOutput {
  readonly name: string;
  readonly liveEventName: string;
  readonly container: string;
  readonly storageAccountName: string;
  /** Used where the caller chose none. */
  readonly manifestName: string;
  readonly caller: Caller;
  readonly nowIso: string;
}

export function newLiveOutput(body: LiveOutputBody, fresh: NewLiveOutput): LiveOutputRecord {
  return {
    name: fresh.name,
    ...newAudit(fresh.caller, fresh.nowIso),
    liveEventName: fresh.liveEventName,
    state: 'Creating',
    provisioningState: 'InProgress',
    description: body.description ?? null,
    assetName: body.assetName,
    container: fresh.container,
    storageAccountName: fresh.storageAccountName,
    archiveWindowLength: body.archiveWindowLength,
    rewindWindowLength: body.rewindWindowLength ?? null,
    manifestName: body.manifestName ?? fresh.manifestName,
    fragmentsPerTsSegment: body.hls?.fragmentsPerTsSegment ?? null,
    outputSnapTime: body.outputSnapTime ?? 0,
  };
}

/** True when a repeated PUT asks for what is already there; there is no update of a live output. */
export function isSameLiveOutput(record: LiveOutputRecord, body: LiveOutputBody): boolean {
  return (
    body.assetName.toLowerCase() === record.assetName.toLowerCase() &&
    milliseconds(body.archiveWindowLength) === milliseconds(record.archiveWindowLength) &&
    (body.rewindWindowLength ?? record.rewindWindowLength) === record.rewindWindowLength &&
    (body.manifestName ?? record.manifestName) === record.manifestName &&
    (body.description ?? record.description) === record.description &&
    (body.hls?.fragmentsPerTsSegment ?? record.fragmentsPerTsSegment) === record.fragmentsPerTsSegment &&
    (body.outputSnapTime ?? record.outputSnapTime) === record.outputSnapTime
  );
}

function milliseconds(text: string): number {
  return parseIsoDurationMs(text) ?? 0;
}

export function toArmLiveOutput(
  scope: AccountScope,
  record: LiveOutputRecord,
  view: { readonly single: boolean },
): object {
  return {
    name: record.name,
    id: `${scope.accountId}/liveevents/${record.liveEventName}/liveoutputs/${record.name}`,
    type: 'Microsoft.Media/mediaservices/liveevents/liveoutputs',
    properties: {
      description: record.description,
      assetName: record.assetName,
      archiveWindowLength: record.archiveWindowLength,
      rewindWindowLength: record.rewindWindowLength,
      manifestName: record.manifestName,
      hls:
        record.fragmentsPerTsSegment === null
          ? null
          : { fragmentsPerTsSegment: record.fragmentsPerTsSegment },
      outputSnapTime: record.outputSnapTime,
      created: record.created,
      lastModified: record.lastModified,
      provisioningState: record.provisioningState,
      resourceState: record.state,
    },
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}
