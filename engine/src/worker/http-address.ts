import { promises as dns, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { jobFailure } from './job-errors.ts';

const ADDRESSES_MAX = 64;

/**
 * Whether an address is one of the open network: not private, of this machine, of a link, multicast, reserved, nor any
 * of these in another's clothes (IPv4 in IPv6, 6to4, Teredo, NAT64).
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  return ipaddr.process(address).range() === 'unicast';
}

export interface PinnedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/**
 * The one address that a host is connected to: looked up once, so that what was checked is what is used. All of a name's
 * addresses have to be allowed. Throws `JobFailure`.
 */
export async function pinAddress(
  hostname: string,
  {
    allowPrivate,
    lookup = lookupAll,
  }: {
    readonly allowPrivate: boolean;
    readonly lookup?: (name: string) => Promise<readonly LookupAddress[]>;
  },
): Promise<PinnedAddress> {
  const bare = hostname.replace(/^\[|\]$/g, '');
  const found = isIP(bare) === 0 ? await resolve(bare, lookup) : [{ address: bare, family: isIP(bare) }];
  const isAllowed = allowPrivate || found.every(({ address }) => isPublicAddress(address));
  const [first] = found;
  if (first === undefined || !isAllowed) {
    throw jobFailure('DownloadNotAccessible', `'${hostname}' is not an address that inputs may come from.`);
  }
  return { address: first.address, family: first.family === 6 ? 6 : 4 };
}

async function resolve(
  name: string,
  lookup: (name: string) => Promise<readonly LookupAddress[]>,
): Promise<readonly LookupAddress[]> {
  try {
    return (await lookup(name)).slice(0, ADDRESSES_MAX);
  } catch (error) {
    const code = String(Reflect.get(Object(error), 'code'));
    throw code === 'ENOTFOUND'
      ? jobFailure('DownloadNotAccessible', `The host '${name}' does not exist.`)
      : jobFailure('DownloadTransientError', `The host '${name}' could not be looked up (${code}).`);
  }
}

const lookupAll = (name: string): Promise<readonly LookupAddress[]> => dns.lookup(name, { all: true });
