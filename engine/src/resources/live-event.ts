import { z } from 'zod';
import { auditRecord, type Caller, newAudit, touchedAudit } from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { ipAllowList } from './ip-allow-list.ts';
import { parseIsoDurationMs } from './iso-duration.ts';
import { LIVE_EVENT_STATES } from './live-event-state.ts';
import { duration, envelope, guid, parseBody, readOnly, tags, text } from './request-body.ts';

const HOSTNAME_PREFIX = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/;

/** Reference §1.2: a GUID, with or without hyphens. */
const accessToken = z
  .string()
  .regex(/^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i, 'a GUID with or without hyphens is expected');

const crossSiteAccessPolicies = z.strictObject({
  clientAccessPolicy: text.nullish(),
  crossDomainPolicy: text.nullish(),
});

const LiveEventBody = z.strictObject({
  ...envelope,
  location: text.nullish(),
  tags: tags.nullish(),
  properties: z.strictObject({
    description: text.nullish(),
    input: z.strictObject({
      streamingProtocol: z.enum(['RTMP', 'FragmentedMP4']),
      accessControl: ipAllowList.nullish(),
      keyFrameIntervalDuration: z.union([z.literal(''), duration({ min: 'PT0.5S', max: 'PT20S' })]).nullish(),
      accessToken: accessToken.nullish(),
      endpoints: readOnly,
    }),
    preview: z
      .strictObject({
        accessControl: ipAllowList.nullish(),
        previewLocator: guid.nullish(),
        streamingPolicyName: text.nullish(),
        alternativeMediaId: text.nullish(),
        endpoints: readOnly,
      })
      .nullish(),
    encoding: z
      .strictObject({
        encodingType: z
          .enum(['None', 'Standard', 'Premium1080p', 'PassthroughBasic', 'PassthroughStandard'])
          .nullish(),
        presetName: text.nullish(),
        stretchMode: z.enum(['None', 'AutoSize', 'AutoFit']).nullish(),
        keyFrameInterval: duration({ min: 'PT0.5S', max: 'PT20S' }).nullish(),
      })
      .nullish(),
    transcriptions: z.array(z.unknown()).max(10).nullish(),
    crossSiteAccessPolicies: crossSiteAccessPolicies.nullish(),
    useStaticHostname: z.boolean().nullish(),
    hostnamePrefix: z.string().regex(HOSTNAME_PREFIX, 'a host name label is expected').nullish(),
    streamOptions: z
      .array(z.enum(['Default', 'LowLatency', 'LowLatencyV2']))
      .max(3)
      .nullish(),
    provisioningState: readOnly,
    resourceState: readOnly,
    created: readOnly,
    lastModified: readOnly,
  }),
});
export type LiveEventBody = z.output<typeof LiveEventBody>;

export function parseLiveEventBody(body: unknown): LiveEventBody {
  const parsed = parseBody(LiveEventBody, body);
  refuseWhatIsMissing(parsed);
  return parsed;
}

/** What the API knows and this engine cannot do yet is refused at once, never silently ignored. */
function refuseWhatIsMissing({ properties }: LiveEventBody): void {
  const refuse = (field: string, reason: string): never => {
    throw armError('NotSupportedYet', { field: `properties.${field}`, reason });
  };
  const { encoding, streamOptions, transcriptions } = properties;
  const encodingType = encoding?.encodingType ?? 'None';
  if (encodingType === 'Standard' || encodingType === 'Premium1080p') {
    refuse('encoding.encodingType', 'only pass-through live events are available');
  }
  if (encoding?.presetName) refuse('encoding.presetName', 'a pass-through live event takes no preset');
  if (encoding?.keyFrameInterval != null) {
    refuse('encoding.keyFrameInterval', 'a pass-through live event keeps the key frames of its input');
  }
  if (transcriptions != null && transcriptions.length > 0)
    refuse('transcriptions', 'there is no transcription');
  if (streamOptions?.includes('LowLatencyV2')) {
    refuse('streamOptions', 'LowLatencyV2 needs an encoding live event');
  }
}

export const LiveEventRecord = z.object({
  ...auditRecord,
  tags: z.record(z.string(), z.string()),
  state: z.enum(LIVE_EVENT_STATES),
  provisioningState: z.enum(['InProgress', 'Succeeded', 'Failed']),
  /** The one long-running operation on the event or one of its outputs. */
  pendingOperationId: z.string().optional(),
  description: z.string(),
  input: z.object({
    streamingProtocol: z.enum(['RTMP', 'FragmentedMP4']),
    accessControl: ipAllowList.nullable(),
    keyFrameIntervalDuration: z.string(),
    accessToken: z.string(),
  }),
  /** An access token that still lets encoders in, after a change with overlap. */
  previousAccessToken: z.object({ token: z.string(), validUntilMs: z.number() }).optional(),
  /** Stopping in order to run again: encoders are told so. */
  isResetting: z.boolean().optional(),
  preview: z.object({
    accessControl: ipAllowList.nullable(),
    previewLocator: z.string(),
    streamingPolicyName: z.string(),
    alternativeMediaId: z.string().nullable(),
  }),
  encodingType: z.enum(['None', 'PassthroughBasic', 'PassthroughStandard']),
  crossSiteAccessPolicies: crossSiteAccessPolicies.nullable(),
  useStaticHostname: z.boolean(),
  hostnamePrefix: z.string().nullable(),
  /** 32 hex digits, new whenever the event leaves Stopped. */
  dynamicHostLabel: z.string().optional(),
  streamOptions: z.array(z.string()),
});
export type LiveEventRecord = z.output<typeof LiveEventRecord>;

interface NewLiveEvent {
  readonly name: string;
  readonly caller: Caller;
  readonly nowIso: string;
  /** Used where the caller chose none. */
  readonly accessToken: string;
  readonly previewLocator: string;
}

export function newLiveEvent({ properties, tags }: LiveEventBody, fresh: NewLiveEvent): LiveEventRecord {
  const { input, preview, encoding } = properties;
  const encodingType = encoding?.encodingType ?? 'None';
  return {
    name: fresh.name,
    ...newAudit(fresh.caller, fresh.nowIso),
    tags: tags ?? {},
    state: 'Stopped',
    provisioningState: 'InProgress',
    description: properties.description ?? '',
    input: {
      streamingProtocol: input.streamingProtocol,
      accessControl: input.accessControl ?? null,
      keyFrameIntervalDuration: input.keyFrameIntervalDuration ?? '',
      accessToken: input.accessToken ?? fresh.accessToken,
    },
    preview: newPreview(preview, fresh.previewLocator),
    encodingType:
      encodingType === 'PassthroughBasic' || encodingType === 'PassthroughStandard' ? encodingType : 'None',
    crossSiteAccessPolicies: properties.crossSiteAccessPolicies ?? null,
    useStaticHostname: properties.useStaticHostname ?? false,
    hostnamePrefix: properties.hostnamePrefix ?? null,
    streamOptions: properties.streamOptions ?? [],
  };
}

function newPreview(
  preview: LiveEventBody['properties']['preview'],
  previewLocator: string,
): LiveEventRecord['preview'] {
  return {
    accessControl: preview?.accessControl ?? null,
    previewLocator: preview?.previewLocator ?? previewLocator,
    streamingPolicyName: preview?.streamingPolicyName || 'Predefined_ClearStreamingOnly',
    alternativeMediaId: preview?.alternativeMediaId ?? null,
  };
}

/** Fields that PATCH may change only while the event is not running (reference §1.3). */
const STOPPED_ONLY: readonly (readonly [string, (record: LiveEventRecord) => unknown])[] = [
  ['input.accessToken', (record) => canonicalToken(record.input.accessToken)],
  ['input.keyFrameIntervalDuration', (record) => record.input.keyFrameIntervalDuration],
  ['useStaticHostname', (record) => record.useStaticHostname],
  ['hostnamePrefix', (record) => record.hostnamePrefix],
  ['crossSiteAccessPolicies', (record) => JSON.stringify(record.crossSiteAccessPolicies)],
];

const IMMUTABLE: readonly (readonly [string, (record: LiveEventRecord) => unknown])[] = [
  ['input.streamingProtocol', (record) => record.input.streamingProtocol],
  ['preview.previewLocator', (record) => record.preview.previewLocator],
  ['preview.streamingPolicyName', (record) => record.preview.streamingPolicyName],
  ['encoding.encodingType', (record) => record.encodingType],
  ['streamOptions', (record) => record.streamOptions.join()],
];

export const canonicalToken = (token: string): string => token.replaceAll('-', '').toLowerCase();

export const TOKEN_OVERLAP_HEADER = 'x-headend-access-token-overlap';
const TOKEN_OVERLAP_MAX = 'PT24H';

/** Milliseconds for which a replaced access token goes on letting encoders in; undefined when no overlap is asked for. */
export function parseTokenOverlapMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const overlapMs = parseIsoDurationMs(text);
  if (overlapMs !== undefined && overlapMs <= (parseIsoDurationMs(TOKEN_OVERLAP_MAX) ?? 0)) return overlapMs;
  throw armError('InvalidField', {
    field: TOKEN_OVERLAP_HEADER,
    reason: `an ISO 8601 duration up to ${TOKEN_OVERLAP_MAX} is expected`,
  });
}

interface LiveEventUpdate {
  readonly caller: Caller;
  readonly nowIso: string;
  /** Present: the access token may change while encoders are connected. */
  readonly tokenOverlapMs: number | undefined;
}

/** PATCH: what is not sent stays. Throws `ImmutableField`, or `WrongState` for what only a stopped event may change. */
export function updatedLiveEvent(
  record: LiveEventRecord,
  body: LiveEventBody,
  update: LiveEventUpdate,
): LiveEventRecord {
  const merged = mergeLiveEvent(record, body);
  for (const [field, read] of IMMUTABLE) {
    if (read(merged) !== read(record)) throw armError('ImmutableField', { field: `properties.${field}` });
  }
  const mayChangeAll = record.state === 'Stopped' || record.state === 'StandBy';
  for (const [field, read] of STOPPED_ONLY) {
    if (mayChangeAll || read(merged) === read(record)) continue;
    if (field === 'input.accessToken' && update.tokenOverlapMs !== undefined) continue;
    throw armError('WrongState', {
      type: 'live event',
      name: record.name,
      state: record.state,
      reason: `properties.${field} can be changed only while it is stopped`,
    });
  }
  return {
    ...withPreviousToken(merged, record, update),
    ...touchedAudit(update.caller, update.nowIso),
  };
}

/** Only the token before the present one is ever kept; a change without overlap ends that one too. */
function withPreviousToken(
  merged: LiveEventRecord,
  record: LiveEventRecord,
  { nowIso, tokenOverlapMs }: LiveEventUpdate,
): LiveEventRecord {
  const token = canonicalToken(record.input.accessToken);
  if (canonicalToken(merged.input.accessToken) === token) return merged;
  const { previousAccessToken: _ended, ...rest } = merged;
  if (!tokenOverlapMs) return rest;
  return { ...rest, previousAccessToken: { token, validUntilMs: Date.parse(nowIso) + tokenOverlapMs } };
}

/** True when a repeated PUT asks for what is already there. */
export function isSameLiveEvent(record: LiveEventRecord, body: LiveEventBody): boolean {
  return JSON.stringify(mergeLiveEvent(record, body)) === JSON.stringify(record);
}

function mergeLiveEvent(record: LiveEventRecord, { properties, tags }: LiveEventBody): LiveEventRecord {
  const { input, preview, encoding } = properties;
  const sent = newLiveEvent(
    { properties, tags },
    {
      name: record.name,
      caller: { id: record.createdBy },
      nowIso: record.created,
      accessToken: record.input.accessToken,
      previewLocator: record.preview.previewLocator,
    },
  );
  return {
    ...record,
    tags: tags == null ? record.tags : sent.tags,
    description: properties.description == null ? record.description : sent.description,
    input: {
      ...sent.input,
      ...(input.accessControl == null ? { accessControl: record.input.accessControl } : {}),
      ...(input.keyFrameIntervalDuration == null
        ? { keyFrameIntervalDuration: record.input.keyFrameIntervalDuration }
        : {}),
    },
    preview: {
      ...sent.preview,
      ...(preview?.accessControl == null ? { accessControl: record.preview.accessControl } : {}),
      ...(preview?.streamingPolicyName ? {} : { streamingPolicyName: record.preview.streamingPolicyName }),
      ...(preview?.alternativeMediaId == null
        ? { alternativeMediaId: record.preview.alternativeMediaId }
        : {}),
    },
    encodingType: encoding?.encodingType == null ? record.encodingType : sent.encodingType,
    crossSiteAccessPolicies:
      properties.crossSiteAccessPolicies == null
        ? record.crossSiteAccessPolicies
        : sent.crossSiteAccessPolicies,
    useStaticHostname: properties.useStaticHostname ?? record.useStaticHostname,
    hostnamePrefix: properties.hostnamePrefix ?? record.hostnamePrefix,
    streamOptions: properties.streamOptions == null ? record.streamOptions : sent.streamOptions,
  };
}
