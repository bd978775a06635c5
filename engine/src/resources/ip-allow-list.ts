import { BlockList, isIP, isIPv4 } from 'node:net';
import { z } from 'zod';
import { text } from './request-body.ts';

const IP_RANGES_MAX = 100;
const IPV4_BITS = 32;
const IPV6_BITS = 128;

const ipRange = z
  .strictObject({
    name: text.nullish(),
    /** One address, or a network in CIDR notation. */
    address: z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], 'an IP address is expected'),
    subnetPrefixLength: z.int().min(0).max(IPV6_BITS).nullish(),
  })
  .refine(({ address, subnetPrefixLength }) => subnetPrefixLength == null || !address.includes('/'), {
    path: ['subnetPrefixLength'],
    message: 'the address has a prefix length already',
  })
  .refine(
    ({ address, subnetPrefixLength }) => subnetPrefixLength == null || subnetPrefixLength <= bitsOf(address),
    { path: ['subnetPrefixLength'], message: `at most ${IPV4_BITS} is expected for an IPv4 address` },
  );

export const ipAllowList = z.strictObject({
  ip: z.strictObject({ allow: z.array(ipRange).max(IP_RANGES_MAX).nullish() }).nullish(),
});
export type IpAllowList = z.output<typeof ipAllowList>;

/** A network: every address that begins with the first `prefixLength` bits of `address`. */
export interface AllowedNetwork {
  readonly address: string;
  readonly prefixLength: number;
}

/** What a list lets in. Whether an empty one means nobody (ingest) or everybody (preview) is its field's rule. */
export function allowedNetworks(list: IpAllowList | null | undefined): readonly AllowedNetwork[] {
  return (list?.ip?.allow ?? []).map(({ address: written, subnetPrefixLength }) => {
    const [address = written, prefix] = written.split('/');
    if (prefix !== undefined) return { address, prefixLength: Number(prefix) };
    return { address, prefixLength: subnetPrefixLength ?? bitsOf(address) };
  });
}

const MAPPED_IPV4 = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

/**
 * Whether an address is in one of the networks; false for what is none. An IPv4 address mapped into IPv6 (as a socket
 * that takes both shows it) is IPv4: `::/0` does not let it in.
 */
export function isInNetworks(networks: readonly AllowedNetwork[], address: string): boolean {
  const plain = MAPPED_IPV4.exec(address)?.[1] ?? address;
  if (isIP(plain) === 0) return false;
  const family = familyOf(plain);
  const list = new BlockList();
  for (const network of networks) {
    if (familyOf(network.address) === family) list.addSubnet(network.address, network.prefixLength, family);
  }
  return list.check(plain, family);
}

/** Answered in full, with explicit nulls, as the streaming service does (reference §1.2). */
export function toArmIpAllowList(list: IpAllowList | null | undefined): object | null {
  if (list?.ip == null) return null;
  return {
    ip: {
      allow: (list.ip.allow ?? []).map((range) => ({
        name: range.name ?? null,
        address: range.address,
        subnetPrefixLength: range.subnetPrefixLength ?? null,
      })),
    },
  };
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv4(address) ? 'ipv4' : 'ipv6');
const bitsOf = (address: string): number => (isIPv4(address.split('/')[0] ?? '') ? IPV4_BITS : IPV6_BITS);
