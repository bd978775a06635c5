import type { IncomingMessage } from 'node:http';
import {
  type CrossSitePath,
  crossSiteContent,
  crossSiteOfLocator,
  parseCrossSitePath,
} from './cross-site-policies.ts';
import type { DeliveryDirectory } from './delivery-directory.ts';
import { DirectoryCache } from './directory-cache.ts';
import { type AssetFiles, Downloads, type FileContent, isDownloadPath } from './download.ts';
import { checkServing, endpointFor } from './endpoint-view.ts';
import { createFeedClient } from './feed-client.ts';
import { FirstFragmentHold, type OnGone } from './first-fragment-hold.ts';
import type { Clock } from './lookup-cache.ts';
import { type GateRules, OPEN_GATE, OriginGate } from './origin-gate.ts';
import type { DeliveryLog, OwnershipReader, RecordingReader } from './origin-ports.ts';
import type { Content } from './origin-response.ts';
import { type HostCertificates, type OriginServer, startOriginServer } from './origin-server.ts';
import { PackagedMediaCache } from './packaged-media.ts';
import type { RequestMeter } from './request-meter.ts';
import { SourceRegistry } from './source-registry.ts';
import { StreamingRequests, type StreamingRequestsDeps } from './streaming-requests.ts';

const TIME_PATH = '/time';
const HOST_HEADER = /^[\w.:[\]-]{1,255}$/;

export interface OriginDeps {
  /** Undefined: it serves what `accept` is given. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly directory: DeliveryDirectory;
  readonly recordings: RecordingReader;
  readonly ownership: OwnershipReader;
  readonly files: AssetFiles;
  readonly writeMpd: StreamingRequestsDeps['writeMpd'];
  readonly clock: Clock;
  readonly log: DeliveryLog;
  /** Who may ask; undefined: everybody. */
  readonly gate?: GateRules | undefined;
  /** For connections with TLS. */
  readonly certificates?: HostCertificates | undefined;
  readonly endpointName: string;
  /** What is answered is counted here. */
  readonly meter?: RequestMeter | undefined;
  readonly cacheBytesMax?: number | undefined;
  /** Of what is made of it for those who cannot have it as it is stored. */
  readonly packagedBytesMax?: number | undefined;
  /** How long a manifest waits for the first fragment of what has just begun. */
  readonly holdMsMax?: number | undefined;
}

export interface Origin extends OriginServer {
  /** How many segments and headers were made for an answer, and not found made. */
  readonly packagings: number;
}

/** Starts serving a streaming endpoint; rejects when the port is taken. `close()` drains it. */
export async function startOrigin(deps: OriginDeps): Promise<Origin> {
  const directory = new DirectoryCache(deps.directory, deps.clock);
  const feed = createFeedClient();
  const gate = new OriginGate(deps.gate ?? OPEN_GATE);
  const sources = new SourceRegistry({ ...deps, feed });
  const hold = new FirstFragmentHold(deps.holdMsMax);
  const packaged = new PackagedMediaCache(deps.packagedBytesMax);
  const requests = new StreamingRequests({ ...deps, directory, sources, hold, packaged });
  const downloads = new Downloads({ ...deps, directory });
  const respond = async (path: string, request: IncomingMessage): Promise<Content | FileContent> => {
    if (path === TIME_PATH) return writeTime(deps.clock);
    const crossSite = parseCrossSitePath(path);
    if (crossSite !== undefined) return crossSiteContent(crossSite, await crossSiteOf(crossSite, request));
    if (isDownloadPath(path)) return downloads.respond(path, askingOf(request, gate));
    return requests.respond(path, {
      ...askingOf(request, gate),
      utcTimingUrl: timeUrlFor(request, gate),
      onGone: (listener) => listenToClose(request, listener),
    });
  };
  const crossSiteOf = async ({ locatorId }: CrossSitePath, { headers }: IncomingMessage) => {
    if (locatorId !== undefined) return crossSiteOfLocator(await directory.findLocator(locatorId));
    const endpoints = await directory.streamingEndpoints(undefined);
    return checkServing(endpointFor(headers.host ?? '', endpoints, deps.endpointName)).crossSite;
  };
  const respondNow = (request: IncomingMessage): Content | undefined =>
    requests.respondNow(askingOf(request, gate));
  const server = await startOriginServer({
    ...deps,
    respond,
    respondNow,
    admit: (request) => gate.check(request),
  });
  return {
    ...server,
    get packagings() {
      return packaged.packagings;
    },
    close: async (times) => {
      hold.close();
      await server.close(times);
      sources.close();
    },
  };
}

function askingOf(request: IncomingMessage, gate: OriginGate) {
  const { headers, url = '' } = request;
  return {
    url,
    address: gate.addressOf(request),
    host: headers.host ?? '',
    header: (name: string) => headers[name]?.toString(),
  };
}

/** For `urn:mpeg:dash:utc:http-iso:2014` (ISO/IEC 23009-1 §5.8.5.7). */
function writeTime(clock: Clock): Content {
  return {
    body: new TextEncoder().encode(new Date(clock.nowMs()).toISOString()),
    contentType: 'text/plain; charset=utf-8',
    cacheControl: 'no-store',
    entityTag: undefined,
  };
}

/** Of the connection: a request closes as soon as it is read. */
function listenToClose({ socket }: IncomingMessage, listener: () => void): ReturnType<OnGone> {
  socket.once('close', listener);
  // It will not close once more.
  if (socket.destroyed) queueMicrotask(listener);
  return () => socket.off('close', listener);
}

/** As the player reached us, so that it works through any proxy that keeps the host. */
function timeUrlFor(request: IncomingMessage, gate: OriginGate): string {
  const { headers, socket } = request;
  const { host } = headers;
  const isPlain = host !== undefined && HOST_HEADER.test(host);
  const authority = isPlain ? host : `${socket.localAddress}:${socket.localPort}`;
  return `${gate.schemeOf(request)}://${authority}${TIME_PATH}`;
}
