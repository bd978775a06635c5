import { BlockList, isIP } from 'node:net';

const MAPPED_IPV4 = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
const ENTRIES_MAX = 50;

/** Who asks: the peer itself, or whom a trusted proxy says that it asks for (`X-Forwarded-For`, read from its end). */
export function clientAddressReader(
  trusted: readonly string[],
): (peer: string | undefined, forwardedFor: string | undefined) => string {
  const proxies = new BlockList();
  for (const entry of trusted) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(bits), family);
  }
  const isProxy = (address: string): boolean => proxies.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return (peer = '', forwardedFor = '') => {
    let client = plainAddress(peer);
    if (trusted.length === 0) return client;
    const entries = forwardedFor.split(',').slice(-ENTRIES_MAX);
    while (isProxy(client)) {
      const next = plainAddress((entries.pop() ?? '').trim());
      if (isIP(next) === 0) break;
      client = next;
    }
    return client;
  };
}

/** An IPv4 address mapped into IPv6, as a socket that takes both shows it, is IPv4. */
const plainAddress = (address: string): string =>
  address.startsWith('::') ? (MAPPED_IPV4.exec(address)?.[1] ?? address) : address;
