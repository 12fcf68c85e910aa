import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The one group of everything whose address is not known or is no address. */
const UNKNOWN = 'unknown';

/** IPv6 addresses whose group is remembered: reading one takes microseconds, finding it again a tenth of one. */
const REMEMBERED_MAX = 4_096;
const remembered = new Map<string, string>();

/**
 * Whose requests are counted together: an IPv4 address (IPv4-mapped IPv6 too), or the /64 of an IPv6 address, because
 * whoever has one address of a /64 has 2^64 of them and would get as many counters. One spelling, 22 characters at most.
 */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return UNKNOWN;
  if (!address.includes(':')) return isIPv4(address) ? address : UNKNOWN;
  const known = remembered.get(address);
  if (known !== undefined) return known;
  const group = groupOfIpv6(address);
  if (group === UNKNOWN) return group; // it may be of any length
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(address, group);
  return group;
}

function groupOfIpv6(address: string): string {
  const [unscoped = ''] = address.split('%', 1);
  if (!isIPv6(unscoped)) return UNKNOWN;
  const parsed = ipaddr.process(unscoped);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}/64`;
}
