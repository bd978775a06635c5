import { z } from 'zod';
import {
  AkamaiAccessControl,
  AkamaiSignatureHeaderAuthenticationKey,
  StreamingEndpoint,
  StreamingEndpointProperties,
  StreamingEntityScaleUnit,
} from '../contract/streaming.ts';
import { armError } from './error-catalogue.ts';
import { ipAllowList } from './ip-allow-list.ts';
import { parseBody } from './request-body.ts';

/** Reference §1.5: the quota of an account that asked for no more; 0 is Standard. */
export const SCALE_UNITS_MAX = 10;
const CUSTOM_HOST_NAMES_MAX = 50;
const HOST_NAME_LENGTH_MAX = 253;
/** RFC 1123 §2.1, without a port; a custom host name has a dot in it. */
const HOST_NAME = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
/** Ten years, which is for ever to a cache. */
const MAX_CACHE_AGE_SECONDS_MAX = 315_360_000;
const CDN_PROVIDERS = ['StandardVerizon', 'PremiumVerizon', 'StandardAkamai'] as const;
const CDN_PROFILE = /^[a-z0-9-]{0,128}$/i;

const scaleUnits = z.int().min(0).max(SCALE_UNITS_MAX);

const akamaiKey = AkamaiSignatureHeaderAuthenticationKey.extend({
  base64Key: z.base64().min(1).max(1024).nullish(),
});

const accessControl = ipAllowList.extend({
  akamai: AkamaiAccessControl.extend({
    akamaiSignatureHeaderAuthenticationKeyList: z.array(akamaiKey).max(100).nullish(),
  }).nullish(),
});

const properties = StreamingEndpointProperties.extend({
  scaleUnits,
  accessControl: accessControl.nullish(),
  maxCacheAge: z.int().min(0).max(MAX_CACHE_AGE_SECONDS_MAX).nullish(),
  customHostNames: z
    .array(
      z
        .string()
        .max(HOST_NAME_LENGTH_MAX)
        .regex(HOST_NAME, 'a DNS name such as video.example.com is expected'),
    )
    .max(CUSTOM_HOST_NAMES_MAX)
    .nullish(),
  cdnProvider: z.union([z.literal(''), z.enum(CDN_PROVIDERS)]).nullish(),
  cdnProfile: z.string().regex(CDN_PROFILE, 'letters, digits and hyphens are expected').nullish(),
});

const StreamingEndpointBody = StreamingEndpoint.extend({ properties });
export type StreamingEndpointBody = z.output<typeof StreamingEndpointBody>;

const StreamingEndpointPatch = StreamingEndpointBody.extend({
  properties: properties.partial().extend({ scaleUnits: scaleUnits.nullish() }).nullish(),
}).partial();
export type StreamingEndpointPatch = z.output<typeof StreamingEndpointPatch>;

const ScaleBody = StreamingEntityScaleUnit.extend({ scaleUnit: scaleUnits });

/** Throws `InvalidField` or `UnknownField`. */
export const parseStreamingEndpointBody = (body: unknown, apiVersion?: string): StreamingEndpointBody =>
  checked(parseBody(StreamingEndpointBody, body, apiVersion));

/** Throws `InvalidField` or `UnknownField`. */
export const parseStreamingEndpointPatch = (body: unknown, apiVersion?: string): StreamingEndpointPatch =>
  checked(parseBody(StreamingEndpointPatch, body, apiVersion));

/** Throws `InvalidField`. */
export const parseScaleUnit = (body: unknown, apiVersion?: string): number =>
  parseBody(ScaleBody, body, apiVersion).scaleUnit;

/** No CDN can be had here, which the original says in some of its regions too; throws `CdnUnavailable`. */
function checked<T extends StreamingEndpointPatch>(body: T): T {
  if (body.properties?.cdnEnabled === true) throw armError('CdnUnavailable');
  const names = (body.properties?.customHostNames ?? []).map((name) => name.toLowerCase());
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice === -1) return body;
  throw armError('InvalidField', {
    field: `properties.customHostNames[${twice}]`,
    reason: 'it is in the list before',
  });
}
