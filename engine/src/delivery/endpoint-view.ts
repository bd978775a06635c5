import { type AllowedNetwork, isInNetworks } from '../resources/ip-allow-list.ts';
import { OriginError } from './origin-errors.ts';
import { isSignedRequest, type SignatureKey } from './request-signature.ts';

/** What an origin has to know of a streaming endpoint. */
export interface EndpointView {
  /** Lower-case, as the host names. */
  readonly name: string;
  readonly state: string;
  /** The first label of its own host name begins with it. */
  readonly hostLabel: string;
  readonly customHostNames: readonly string[];
  /** From where it may be used; empty: from everywhere. */
  readonly viewerAllow: readonly AllowedNetwork[];
  /** With which of these a request has to be signed; undefined: it has not. */
  readonly signatureKeys: readonly SignatureKey[] | undefined;
  /** For what does not change; undefined: as the origin thinks best. */
  readonly maxAgeSeconds: number | undefined;
  readonly crossSite: CrossSitePolicies;
}

/** Documents for players of old that ask before they load from another site. */
export interface CrossSitePolicies {
  readonly clientAccessPolicy: string | undefined;
  readonly crossDomainPolicy: string | undefined;
}

/** Of an endpoint: it goes on serving while it gets more or fewer units. */
const SERVING_STATES: readonly string[] = ['Running', 'Scaling'];

/** The endpoint that a request is for, by its `Host` header; `fallback` under a name that is none of theirs. */
export function endpointFor(
  host: string,
  endpoints: readonly EndpointView[],
  fallback: string,
): EndpointView | undefined {
  const byName = endpoints.find(({ name }) => name === fallback);
  if (endpoints.length === 1 && byName?.customHostNames.length === 0) return byName;
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const [label = ''] = name.split('.', 1);
  const named = endpoints.find(
    ({ hostLabel, customHostNames }) =>
      customHostNames.includes(name) || label === hostLabel || label.startsWith(`${hostLabel}-`),
  );
  return named ?? byName;
}

/** Throws `STREAMING_ENDPOINT_NOT_RUNNING`. */
export function checkServing(endpoint: EndpointView | undefined): EndpointView {
  if (endpoint !== undefined && SERVING_STATES.includes(endpoint.state)) return endpoint;
  const state = endpoint?.state ?? 'absent';
  throw new OriginError('STREAMING_ENDPOINT_NOT_RUNNING', `the streaming endpoint is ${state}`);
}

/** Whether shared caches may keep the answers; throws `CLIENT_ADDRESS_DENIED` or `REQUEST_SIGNATURE_DENIED`. */
export function checkViewer(
  { viewerAllow, signatureKeys }: EndpointView,
  request: { readonly address: string; readonly url: string; header(name: string): string | undefined },
  nowMs: number,
): 'public' | 'private' {
  if (viewerAllow.length > 0 && !isInNetworks(viewerAllow, request.address)) {
    throw new OriginError('CLIENT_ADDRESS_DENIED', 'this streaming endpoint cannot be used from here');
  }
  if (signatureKeys !== undefined && !isSignedRequest(request, signatureKeys, nowMs)) {
    throw new OriginError('REQUEST_SIGNATURE_DENIED', 'this streaming endpoint answers signed requests');
  }
  return viewerAllow.length > 0 || signatureKeys !== undefined ? 'private' : 'public';
}
