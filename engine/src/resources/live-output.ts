import { z } from 'zod';
import { type AccountScope, auditRecord, type Caller, newAudit, systemData } from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { parseIsoDurationMs } from './iso-duration.ts';
import { duration, envelope, parseBody, readOnly, text } from './request-body.ts';

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

/** It becomes a blob name and a URL segment. */
const MANIFEST_NAME = /^[a-zA-Z0-9_-]{1,128}$/;

const LiveOutputBody = z.strictObject({
  ...envelope,
  properties: z.strictObject({
    description: text.nullish(),
    assetName: z.string().min(1).max(260),
    archiveWindowLength: duration({ min: 'PT1M', max: 'PT25H' }),
    rewindWindowLength: duration({ min: 'PT60S', max: 'PT25H' }).nullish(),
    manifestName: z
      .string()
      .regex(MANIFEST_NAME, '1 to 128 letters, digits, hyphens and underscores are expected')
      .nullish(),
    hls: z.strictObject({ fragmentsPerTsSegment: z.int().min(1).max(100).nullish() }).nullish(),
    outputSnapTime: z.int().min(0).nullish(),
    created: readOnly,
    lastModified: readOnly,
    provisioningState: readOnly,
    resourceState: readOnly,
  }),
});
export type LiveOutputBody = z.output<typeof LiveOutputBody>['properties'];

export function parseLiveOutputBody(body: unknown): LiveOutputBody {
  const { properties } = parseBody(LiveOutputBody, body);
  const { archiveWindowLength, rewindWindowLength } = properties;
  if (rewindWindowLength != null && milliseconds(rewindWindowLength) > milliseconds(archiveWindowLength)) {
    throw armError('InvalidField', {
      field: 'properties.rewindWindowLength',
      reason: `it must not be longer than archiveWindowLength (${archiveWindowLength})`,
    });
  }
  if (properties.outputSnapTime) {
    throw armError('NotSupportedYet', {
      field: 'properties.outputSnapTime',
      reason: 'a recording begins with the next fragment',
    });
  }
  return properties;
}

/** How many outputs a live event of this type may have. */
export function liveOutputsMax(encodingType: string): number {
  return encodingType === 'PassthroughBasic' ? LIVE_OUTPUTS_PER_BASIC_EVENT_MAX : LIVE_OUTPUTS_PER_EVENT_MAX;
}

/** Throws `InvalidField` when live events of this type do not keep as much. */
export function checkArchiveWindow({ archiveWindowLength }: LiveOutputBody, encodingType: string): void {
  if (encodingType !== 'PassthroughBasic') return;
  if (milliseconds(archiveWindowLength) <= milliseconds(BASIC_ARCHIVE_WINDOW_MAX)) return;
  throw armError('InvalidField', {
    field: 'properties.archiveWindowLength',
    reason: `at most ${BASIC_ARCHIVE_WINDOW_MAX} is allowed for a live event of the type ${encodingType}`,
  });
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
    (body.hls?.fragmentsPerTsSegment ?? record.fragmentsPerTsSegment) === record.fragmentsPerTsSegment
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
      outputSnapTime: 0,
      created: record.created,
      lastModified: record.lastModified,
      provisioningState: record.provisioningState,
      resourceState: record.state,
    },
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}
