import ipaddr from 'ipaddr.js';

/** An address or a CIDR range in its one spelling, or the sentence that says what is wrong with it. */
export type ParsedRange = { readonly range: string } | { readonly problem: string };

/**
 * Reads an address or CIDR range, IPv4 or IPv6. IPv4-mapped IPv6 becomes IPv4; a single address stays without a suffix.
 * Bits set behind the prefix are refused: what was meant cannot be known.
 */
export function parseAddressRange(text: string): ParsedRange {
  const [addressText = '', prefixText, ...rest] = text.split('/');
  if (rest.length > 0 || !isPlainAddress(addressText) || (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText))) {
    return { problem: 'must be an IPv4 or IPv6 address or a CIDR range such as 192.0.2.0/24' };
  }
  const parsed = ipaddr.parse(addressText);
  const isMapped = parsed.kind() === 'ipv6' && (parsed as ipaddr.IPv6).isIPv4MappedAddress();
  const address = ipaddr.process(addressText);
  const bits = address.kind() === 'ipv4' ? 32 : 128;
  const prefix = prefixText === undefined ? bits : Number(prefixText) - (isMapped ? 96 : 0);
  if (prefix < 0 || prefix > bits) return { problem: `must have a prefix length from 0 to ${isMapped ? 128 : bits}` };
  const network = networkOf(address, prefix);
  if (network !== canonical(address))
    return { problem: `has bits set behind its prefix; the network is ${network}/${prefix}` };
  return { range: prefix === bits ? network : `${network}/${prefix}` };
}

/** The address in its one spelling, IPv4-mapped IPv6 as IPv4; undefined for what is no address. */
export function normalizeAddress(text: string): string | undefined {
  const unscoped = text.split('%', 1)[0] ?? '';
  return isPlainAddress(unscoped) ? canonical(ipaddr.process(unscoped)) : undefined;
}

/** RFC 4291 §2.5.5.1, deprecated: it is no IPv4 address, but the parser takes it for one. */
const IPV4_BEHIND_ZEROS = /^[0:]*::\d+\.\d+\.\d+\.\d+$/;

/** Four decimal parts or IPv6; the octal, hexadecimal and shortened spellings of IPv4 that some parsers take are refused. */
function isPlainAddress(text: string): boolean {
  return (
    text.length <= 45 &&
    !text.includes('%') &&
    !IPV4_BEHIND_ZEROS.test(text) &&
    (text.includes(':') ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text))
  );
}

function canonical(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  return address.kind() === 'ipv6' ? (address as ipaddr.IPv6).toRFC5952String() : address.toString();
}

function networkOf(address: ipaddr.IPv4 | ipaddr.IPv6, prefix: number): string {
  const bytes = address.toByteArray().map((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix - index * 8));
    return byte & (0xff << (8 - kept)) & 0xff;
  });
  return canonical(ipaddr.fromByteArray(bytes));
}
