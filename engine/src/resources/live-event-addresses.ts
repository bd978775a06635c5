import { armError } from './error-catalogue.ts';
import type { LiveEventRecord } from './live-event.ts';
import { hasEndpoints } from './live-event-state.ts';

/** RFC 1035 §2.3.4. */
const HOST_LABEL_LENGTH_MAX = 63;
const HTTP_PORT = 80;

/** Where encoders and viewers of the preview connect. */
export interface PublicAddresses {
  readonly host: string;
  /** Undefined: every live event takes its encoders under `host`. */
  readonly ingestDomain: string | undefined;
  /** Ends the first label of static host names. */
  readonly account: string;
  readonly location: string;
  readonly ingestPorts: {
    readonly rtmp: number;
    readonly rtmpBackup: number;
    readonly rtmps: number;
    readonly rtmpsBackup: number;
    readonly smooth: number;
  };
  readonly streamingPort: number;
  /** Streaming endpoints other than `default` have host names below it. */
  readonly streamingDomain: string;
}

/** The addresses for encoders, in the original's order (reference §2.2); a static host name is known before the start. */
export function ingestEndpoints(record: LiveEventRecord, addresses: PublicAddresses): readonly object[] {
  if (!hasEndpoints(record.state) && !record.useStaticHostname) return [];
  const { accessToken, streamingProtocol: protocol } = record.input;
  const host = ingestHost(record, addresses);
  const { rtmp, rtmpBackup, rtmps, rtmpsBackup } = addresses.ingestPorts;
  if (protocol === 'FragmentedMP4') {
    return [{ protocol, url: `http://${httpAuthority(record, addresses)}/${accessToken}/ingest.isml` }];
  }
  const bases = [
    `rtmp://${host}:${rtmp}`,
    `rtmp://${host}:${rtmpBackup}`,
    `rtmps://${host}:${rtmps}`,
    `rtmps://${host}:${rtmpsBackup}`,
  ];
  return bases.map((base) => ({ protocol, url: `${base}/live/${accessToken}` }));
}

/** Where timed metadata is to be posted, beside fragmented MP4; what comes there is refused until it is understood. */
export function timedMetadataEndpoints(
  record: LiveEventRecord,
  addresses: PublicAddresses,
): readonly object[] {
  if (!hasEndpoints(record.state) && !record.useStaticHostname) return [];
  return [{ url: `http://${httpAuthority(record, addresses)}/${record.input.accessToken}/timedmetadata` }];
}

/** The preview's protocol is `FragmentedMP4` whatever the ingest is (reference §2.2). */
export function previewEndpoints(record: LiveEventRecord, addresses: PublicAddresses): readonly object[] {
  if (!hasEndpoints(record.state)) return [];
  const { previewLocator } = record.preview;
  const url = `http://${addresses.host}:${addresses.streamingPort}/${previewLocator}/preview.ism/manifest`;
  return [{ protocol: 'FragmentedMP4', url }];
}

/** Throws `InvalidField` when the static host name that is asked for would be none. */
export function checkHostname(record: LiveEventRecord, addresses: PublicAddresses): void {
  if (addresses.ingestDomain === undefined || !record.useStaticHostname) return;
  const label = staticLabel(record, addresses);
  if (label.length <= HOST_LABEL_LENGTH_MAX) return;
  throw armError('InvalidField', {
    field: record.hostnamePrefix === null ? 'properties.useStaticHostname' : 'properties.hostnamePrefix',
    reason: `the host name label '${label}' has ${label.length} characters, ${HOST_LABEL_LENGTH_MAX} are allowed`,
  });
}

function httpAuthority(record: LiveEventRecord, addresses: PublicAddresses): string {
  const host = ingestHost(record, addresses);
  const { smooth } = addresses.ingestPorts;
  return smooth === HTTP_PORT ? host : `${host}:${smooth}`;
}

function ingestHost(record: LiveEventRecord, addresses: PublicAddresses): string {
  const { host, ingestDomain } = addresses;
  if (ingestDomain === undefined) return host;
  if (record.useStaticHostname) return `${staticLabel(record, addresses)}.${ingestDomain}`;
  return record.dynamicHostLabel === undefined ? host : `${record.dynamicHostLabel}.${ingestDomain}`;
}

function staticLabel({ hostnamePrefix, name }: LiveEventRecord, addresses: PublicAddresses): string {
  const location = addresses.location.replaceAll(/[^a-z0-9-]/gi, '');
  return `${hostnamePrefix ?? name}-${addresses.account}-${location}`.toLowerCase();
}
