/** Which addresses an endpoint may have. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** An IPv4 address that an IPv6 address holds: as it is (RFC 4291, section 2.5.5.2), or for a translator (RFC 6052). */
const HOLDING_IPV4: ReadonlySet<string> = new Set(['ipv4Mapped', 'rfc6052']);

/**
 * Whether an address is one of the public internet. What the registries of IANA give to this machine, a network of its
 * own, several receivers or a tunnel is not, nor is what cannot be read.
 */
export function isPublic(address: string): boolean {
	// More strict than the parser, which also takes `1.2.3`.
	if (isIP(address) === 0 || !ipaddr.isValid(address)) return false;
	const parsed = ipaddr.parse(address);
	if (parsed instanceof ipaddr.IPv6 && HOLDING_IPV4.has(parsed.range())) {
		return isPublic(parsed.toByteArray().slice(-4).join('.'));
	}
	return parsed.range() === 'unicast';
}
