import { z } from 'zod';
import { CrossSiteAccessPolicies } from '../contract/streaming.ts';
import { auditRecord, type Caller, newAudit, touchedAudit } from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { ipAllowList } from './ip-allow-list.ts';
import { parseIsoDurationMs } from './iso-duration.ts';
import type { LiveEventBody, LiveEventPatch } from './live-event-body.ts';
import { ENCODING_TYPES, isEncoding, mergedEncoding, newEncoding } from './live-event-encoding.ts';
import { LIVE_EVENT_STATES } from './live-event-state.ts';

const Transcription = z.object({
  language: z.string().nullable(),
  inputTrackSelection: z.array(
    z.object({
      property: z.string().nullable(),
      operation: z.string().nullable(),
      value: z.string().nullable(),
    }),
  ),
  outputTranscriptionTrack: z.object({ trackName: z.string() }).nullable(),
});

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
  encodingType: z.enum(ENCODING_TYPES),
  /** Null on a pass-through live event, as the next two. */
  presetName: z.string().nullable().default(null),
  stretchMode: z.enum(['None', 'AutoSize', 'AutoFit']).nullable().default(null),
  keyFrameInterval: z.string().nullable().default(null),
  transcriptions: z.array(Transcription).default([]),
  crossSiteAccessPolicies: CrossSiteAccessPolicies.nullable(),
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

/** Throws `InvalidField` for what does not go together. */
export function newLiveEvent({ properties, tags }: LiveEventBody, fresh: NewLiveEvent): LiveEventRecord {
  const { input, preview } = properties;
  const record: LiveEventRecord = {
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
    preview: {
      accessControl: preview?.accessControl ?? null,
      previewLocator: preview?.previewLocator ?? fresh.previewLocator,
      streamingPolicyName: preview?.streamingPolicyName || 'Predefined_ClearStreamingOnly',
      alternativeMediaId: preview?.alternativeMediaId ?? null,
    },
    ...newEncoding(properties.encoding),
    transcriptions: newTranscriptions(properties.transcriptions),
    crossSiteAccessPolicies: properties.crossSiteAccessPolicies ?? null,
    useStaticHostname: properties.useStaticHostname ?? false,
    hostnamePrefix: properties.hostnamePrefix ?? null,
    streamOptions: properties.streamOptions ?? [],
  };
  checkTogether(record);
  return record;
}

function newTranscriptions(
  sent: LiveEventBody['properties']['transcriptions'],
): LiveEventRecord['transcriptions'] {
  return (sent ?? []).map(({ language, inputTrackSelection, outputTranscriptionTrack }) => ({
    language: language ?? null,
    inputTrackSelection: (inputTrackSelection ?? []).map(({ property, operation, value }) => ({
      property: property ?? null,
      operation: operation ?? null,
      value: value ?? null,
    })),
    outputTranscriptionTrack: outputTranscriptionTrack ?? null,
  }));
}

/** Reference §1.2, §2.5. */
function checkTogether({ encodingType, input, streamOptions, transcriptions }: LiveEventRecord): void {
  const refuse = (field: string, reason: string): never => {
    throw armError('InvalidField', { field: `properties.${field}`, reason });
  };
  if (encodingType === 'PassthroughBasic' && transcriptions.length > 0) {
    refuse('transcriptions', 'a live event of the type PassthroughBasic has no transcription');
  }
  if (!streamOptions.includes('LowLatencyV2')) return;
  if (!isEncoding(encodingType)) refuse('streamOptions', 'LowLatencyV2 needs an encoding live event');
  if (input.streamingProtocol !== 'RTMP') refuse('streamOptions', 'LowLatencyV2 needs the protocol RTMP');
}

/** What the API knows and this engine cannot do yet is refused when it would begin: throws `NotSupportedYet`. */
export function checkStartable({ encodingType, transcriptions }: LiveEventRecord): void {
  if (isEncoding(encodingType)) {
    throw armError('NotSupportedYet', {
      field: 'properties.encoding.encodingType',
      reason: `a live event of the type ${encodingType} cannot be started, there is no live encoder yet`,
    });
  }
  if (transcriptions.length > 0) {
    throw armError('NotSupportedYet', {
      field: 'properties.transcriptions',
      reason: 'a live event with transcriptions cannot be started, there is no transcriber yet',
    });
  }
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
  ['encoding.presetName', (record) => record.presetName],
  ['encoding.stretchMode', (record) => record.stretchMode],
  ['encoding.keyFrameInterval', (record) => record.keyFrameInterval],
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

/**
 * PATCH: what is not sent stays, an explicit null clears. Throws `ImmutableField`, or `WrongState` for what only a stopped
 * event may change.
 */
export function updatedLiveEvent(
  record: LiveEventRecord,
  body: LiveEventPatch,
  update: LiveEventUpdate,
): LiveEventRecord {
  const merged = mergeLiveEvent(record, body);
  for (const [field, read] of IMMUTABLE) {
    if (read(merged) !== read(record)) throw armError('ImmutableField', { field: `properties.${field}` });
  }
  checkTogether(merged);
  if (record.state !== 'Stopped') checkStartable(merged);
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

function mergeLiveEvent(record: LiveEventRecord, { properties, tags }: LiveEventPatch): LiveEventRecord {
  const sent = properties ?? {};
  const { input = {}, preview = {} } = sent;
  return {
    ...record,
    ...mergedEncoding(record, sent.encoding),
    tags: laidOver(tags, record.tags, {}),
    description: laidOver(sent.description, record.description, ''),
    input: {
      streamingProtocol: input?.streamingProtocol ?? record.input.streamingProtocol,
      accessControl: laidOver(input?.accessControl, record.input.accessControl, null),
      keyFrameIntervalDuration: laidOver(
        input?.keyFrameIntervalDuration,
        record.input.keyFrameIntervalDuration,
        '',
      ),
      accessToken: input?.accessToken ?? record.input.accessToken,
    },
    preview: {
      accessControl: laidOver(preview?.accessControl, record.preview.accessControl, null),
      previewLocator: preview?.previewLocator ?? record.preview.previewLocator,
      streamingPolicyName: preview?.streamingPolicyName || record.preview.streamingPolicyName,
      alternativeMediaId: laidOver(preview?.alternativeMediaId, record.preview.alternativeMediaId, null),
    },
    transcriptions:
      sent.transcriptions === undefined ? record.transcriptions : newTranscriptions(sent.transcriptions),
    crossSiteAccessPolicies: laidOver(sent.crossSiteAccessPolicies, record.crossSiteAccessPolicies, null),
    useStaticHostname: sent.useStaticHostname ?? record.useStaticHostname,
    hostnamePrefix: laidOver(sent.hostnamePrefix, record.hostnamePrefix, null),
    streamOptions: sent.streamOptions ?? record.streamOptions,
  };
}

/** Not sent: stays; null: what it is when it was never set. */
function laidOver<T>(sent: T | null | undefined, present: T, unset: T): T {
  if (sent === undefined) return present;
  return sent ?? unset;
}
