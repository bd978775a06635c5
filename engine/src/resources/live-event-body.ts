import { z } from 'zod';
import {
  LiveEvent,
  LiveEventActionInput,
  LiveEventEncoding,
  LiveEventInput,
  LiveEventPreview,
  LiveEventProperties,
  LiveEventTranscription,
} from '../contract/streaming.ts';
import { armError } from './error-catalogue.ts';
import { ipAllowList } from './ip-allow-list.ts';
import { duration, guid, parseBody } from './request-body.ts';

const HOSTNAME_PREFIX = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/;
/** The form of BCP 47; which languages there are is the transcriber's knowledge. */
const LANGUAGE = /^[a-zA-Z]{2,3}(?:-[a-zA-Z0-9]{2,8}){0,3}$/;
const TRANSCRIPTIONS_MAX = 10;
const STREAM_OPTIONS_MAX = 3;

/** Reference §1.2: a GUID, with or without hyphens. */
const accessToken = z
  .string()
  .regex(/^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i, 'a GUID with or without hyphens is expected');

const keyFrameInterval = duration({ min: 'PT0.5S', max: 'PT20S' });

const input = LiveEventInput.extend({
  accessControl: ipAllowList.nullish(),
  keyFrameIntervalDuration: z.union([z.literal(''), keyFrameInterval]).nullish(),
  accessToken: accessToken.nullish(),
});

const preview = LiveEventPreview.extend({
  accessControl: ipAllowList.nullish(),
  previewLocator: guid.nullish(),
});

const encoding = LiveEventEncoding.extend({ keyFrameInterval: keyFrameInterval.nullish() });

const transcription = LiveEventTranscription.extend({
  language: z.string().regex(LANGUAGE, 'a BCP 47 language tag, such as en-US, is expected').nullish(),
});

const properties = LiveEventProperties.extend({
  input,
  preview: preview.nullish(),
  encoding: encoding.nullish(),
  transcriptions: z.array(transcription).max(TRANSCRIPTIONS_MAX).nullish(),
  hostnamePrefix: z.string().regex(HOSTNAME_PREFIX, 'a host name label is expected').nullish(),
  streamOptions: z
    .array(z.enum(['Default', 'LowLatency', 'LowLatencyV2']))
    .max(STREAM_OPTIONS_MAX)
    .nullish(),
});

const LiveEventBody = LiveEvent.extend({ properties });
export type LiveEventBody = z.output<typeof LiveEventBody>;

/** What a PATCH may leave out, it leaves as it is. */
const LiveEventPatch = LiveEventBody.extend({
  properties: properties
    .extend({ input: input.partial({ streamingProtocol: true }).nullish() })
    .partial()
    .nullish(),
}).partial();
export type LiveEventPatch = z.output<typeof LiveEventPatch>;

/** Throws `InvalidField` or `UnknownField`. */
export function parseLiveEventBody(body: unknown, apiVersion?: string): LiveEventBody {
  const parsed = parseBody(LiveEventBody, body, apiVersion);
  checkTranscriptions(parsed.properties);
  return parsed;
}

/** Throws `InvalidField` or `UnknownField`. */
export function parseLiveEventPatch(body: unknown, apiVersion?: string): LiveEventPatch {
  const parsed = parseBody(LiveEventPatch, body, apiVersion);
  checkTranscriptions(parsed.properties ?? {});
  return parsed;
}

/** Whether a stop may take the live outputs with it; without a body it may not. */
export function parseRemoveOutputs(body: unknown, apiVersion?: string): boolean {
  if (body === undefined || body === null) return false;
  return parseBody(LiveEventActionInput, body, apiVersion).removeOutputsOnStop ?? false;
}

/** One transcription per language. */
function checkTranscriptions({ transcriptions }: Pick<LiveEventBody['properties'], 'transcriptions'>): void {
  const languages = (transcriptions ?? []).map(({ language }) => (language ?? '').toLowerCase());
  const twice = languages.findIndex((language, index) => languages.indexOf(language) !== index);
  if (twice === -1) return;
  throw armError('InvalidField', {
    field: `properties.transcriptions[${twice}].language`,
    reason: 'there is another transcription of this language',
  });
}
