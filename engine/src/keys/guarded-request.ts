import { lookup as dnsLookup } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Addresses that no name on the network may lead to (RFC 6890): this machine, its link, private networks. */
const PRIVATE_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const;
const PRIVATE_IPV6 = [
  ['::', 128],
  ['::1', 128],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const;
const LOOPBACK_HOSTS: readonly string[] = ['127.0.0.1', '[::1]', 'localhost'];

const privateAddresses = new BlockList();
for (const [address, bits] of PRIVATE_IPV4) privateAddresses.addSubnet(address, bits, 'ipv4');
for (const [address, bits] of PRIVATE_IPV6) privateAddresses.addSubnet(address, bits, 'ipv6');

export interface GuardedRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  /** Private networks and this machine may be asked. */
  readonly isPrivateAllowed: boolean;
}

export interface GuardedResponse {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Buffer;
}

/** `code`: `Refused` (it may not be asked), `Timeout`, `TooLarge` or `Failed`. */
export class GuardedRequestFailed extends Error {
  readonly code: 'Refused' | 'Timeout' | 'TooLarge' | 'Failed';
  constructor(code: GuardedRequestFailed['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GuardedRequestFailed';
    this.code = code;
  }
}

/** https, or http within this machine: whoever can change an answer on its way could issue tokens and licenses. */
export function isSafeScheme({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK_HOSTS.includes(hostname));
}

/** One request to an address that somebody else chose: no redirects, bounded in time and size, nobody's inner network. */
export async function guardedRequest(options: GuardedRequest): Promise<GuardedResponse> {
  const { url, timeoutMs } = options;
  if (!isSafeScheme(url)) throw new GuardedRequestFailed('Refused', 'https is required');
  if (url.username !== '' || url.password !== '') {
    throw new GuardedRequestFailed('Refused', 'credentials in the address');
  }
  const literal = url.hostname.replaceAll(/[[\]]/g, '');
  if (!options.isPrivateAllowed && isIP(literal) !== 0 && isPrivate(literal)) {
    throw new GuardedRequestFailed('Refused', 'a private address');
  }
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await send(options, signal);
    return {
      status: response.statusCode ?? 0,
      contentType: response.headers['content-type'],
      body: await readBounded(response, options.responseBytesMax),
    };
  } catch (cause) {
    if (cause instanceof GuardedRequestFailed) throw cause;
    if (signal.aborted) throw new GuardedRequestFailed('Timeout', `no answer in ${timeoutMs} ms`, { cause });
    throw new GuardedRequestFailed('Failed', 'the request failed', { cause });
  }
}

function send(options: GuardedRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { url, method, headers, body, isPrivateAllowed } = options;
  const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(body.byteLength) };
    const request = start(url, {
      method,
      headers: { ...headers, ...length },
      signal,
      ...(isPrivateAllowed ? {} : { lookup: publicLookup }),
    });
    request.once('response', resolve).once('error', reject).end(body);
  });
}

/** Looks where the connection is made, so that a name cannot lead elsewhere after it was looked at. */
const publicLookup: LookupFunction = (hostname, options, done) => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? [];
    if (error !== null || first === undefined) {
      done(error ?? new Error('no address'), '');
      return;
    }
    if (addresses.some(({ address }) => isPrivate(address))) {
      done(new GuardedRequestFailed('Refused', 'the name leads to a private address'), '');
      return;
    }
    if (options.all === true) done(null, addresses);
    else done(null, first.address, first.family);
  });
};

const isPrivate = (address: string): boolean =>
  privateAddresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

async function readBounded(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    sizeBytes += bytes.byteLength;
    if (sizeBytes > bytesMax) {
      response.destroy();
      throw new GuardedRequestFailed('TooLarge', `more than ${bytesMax} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
